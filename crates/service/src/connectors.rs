//! The clouds that this service can speak to, by the `type` of auth lines. The binary fills it; nothing here names one.

use im_auth::{clouds, line_for};
use im_cloud::{Connector, Cx};
use im_model::{Account, AuthLine, CloudRef, Credentials, Deployment, Idempotence, InfraId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;

/// Connectors by name.
#[derive(Clone, Default)]
pub struct Connectors {
    by_kind: BTreeMap<&'static str, Arc<dyn Connector>>,
    /// Those that create something outside the service: their VMs can be asked about.
    outside: BTreeSet<&'static str>,
}

/// A cloud that a caller's credentials open.
#[derive(Clone)]
#[allow(clippy::struct_field_names)] // The record of the cloud is named like everywhere else.
pub(crate) struct Cloud {
    pub(crate) cloud: Arc<CloudRef>,
    pub(crate) auth: Arc<AuthLine>,
    pub(crate) connector: Arc<dyn Connector>,
}

/// Why there is no way to a cloud. The sentences are the contract's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CloudsError {
    #[error("No cloud provider available")]
    None,
    #[error("Not valid cloud provider.")]
    NotValid,
    #[error("Cloud provider not supported: {kind} (error: this service has no connector of that name)")]
    NotSupported { kind: String },
    #[error("{0}")]
    Credentials(String),
}

impl Connectors {
    /// From the connectors themselves.
    pub fn new(connectors: impl IntoIterator<Item = Arc<dyn Connector>>) -> Self {
        let by_kind: BTreeMap<_, _> = connectors.into_iter().map(|c| (c.kind(), c)).collect();
        let has_outside = |connector: &Arc<dyn Connector>| {
            let creates = connector.capability().creates;
            creates.values().any(|i| *i != Idempotence::NothingOutside)
        };
        let outside = by_kind.iter().filter(|(_, c)| has_outside(c)).map(|(kind, _)| *kind);
        Self {
            outside: outside.collect(),
            by_kind,
        }
    }

    /// Whether there is anything outside that could be asked about VMs of this type.
    pub(crate) fn has_outside(&self, kind: &str) -> bool {
        self.outside.contains(kind)
    }

    /// The connector of a `type`.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Connector>> {
        self.by_kind.get(kind)
    }

    /// The connector of a `type`, or the contract's sentence.
    pub(crate) fn require(&self, kind: &str) -> Result<&Arc<dyn Connector>, CloudsError> {
        self.get(kind).ok_or_else(|| {
            if kind.len() > 15 || kind.contains('.') {
                CloudsError::NotValid
            } else {
                CloudsError::NotSupported { kind: kind.to_owned() }
            }
        })
    }

    /// The clouds that these credentials open, in their order. Lines of unknown types are passed over unless there is
    /// nothing else: a caller who also has a cloud that this version does not know can still use the others.
    pub(crate) fn clouds(&self, credentials: &Credentials) -> Result<Vec<Cloud>, CloudsError> {
        let lines = clouds(credentials).map_err(|e| CloudsError::Credentials(e.to_string()))?;
        let mut found = Vec::new();
        let mut problem = CloudsError::None;
        for (cloud, auth) in lines {
            match self.require(&cloud.kind) {
                Ok(connector) => found.push(Cloud {
                    cloud: Arc::new(cloud),
                    auth: Arc::new(auth),
                    connector: connector.clone(),
                }),
                Err(e) => problem = e,
            }
        }
        if found.is_empty() { Err(problem) } else { Ok(found) }
    }

    /// The way to the cloud of a stored VM or resource with these credentials.
    pub(crate) fn reach(&self, credentials: &Credentials, cloud: &CloudRef) -> Result<Cloud, CloudsError> {
        let connector = self.require(&cloud.kind)?.clone();
        let auth = line_for(credentials, cloud).map_err(|e| CloudsError::Credentials(e.to_string()))?;
        Ok(Cloud {
            cloud: Arc::new(cloud.clone()),
            auth: Arc::new(auth.clone()),
            connector,
        })
    }
}

impl Cloud {
    /// What calls are made with.
    pub(crate) fn cx(
        &self,
        infra: &InfraId,
        deployment: &Arc<Deployment>,
        account: Option<Account>,
        deadline: Duration,
    ) -> Cx {
        Cx {
            cloud: self.cloud.clone(),
            auth: self.auth.clone(),
            infra: infra.clone(),
            deployment: deployment.clone(),
            account,
            deadline,
        }
    }
}
