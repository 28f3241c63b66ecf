//! Connectors without a cloud: Dummy and `DeployedNode`.
