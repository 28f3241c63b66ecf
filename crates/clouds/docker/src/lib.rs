//! Connector for Docker daemons.
