//! REST: decode, call the service, encode.
