//! What is stored of a request: everything that a replay needs, in a form that later versions still read.
//!
//! The form is part of the plan format ([`im_model::PLAN_FORMAT`]): members are only added, with defaults.

use crate::tosca::ToscaPart;
use im_model::{Credentials, OperationId, Power, VmId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A request as stored in [`im_model::Operation::request`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Name of the user who asked, for tags.
    pub(crate) user: String,
    /// The credentials sent along. Dropped with the request when the operation ends.
    pub(crate) credentials: Credentials,
    /// What is asked.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub(crate) enum What {
    /// Create, and add: deploy what the document says.
    Launch(Launch),
    /// Remove these VMs.
    Remove {
        vms: Vec<VmId>,
        context: bool,
        /// What is launched once they are gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<Box<Then>>,
    },
    /// Remove everything.
    Destroy { force: bool },
    /// Let go of everything, without asking a cloud.
    Abandon,
    /// Configure.
    Configure {
        /// The document sent along, if any.
        #[serde(default)]
        radl: Option<Arc<str>>,
        /// VMs to which the user's steps are restricted.
        #[serde(default)]
        only: Option<Vec<VmId>>,
    },
    /// Start, stop, restart; all VMs without a list.
    Power {
        #[serde(default)]
        vm: Option<VmId>,
        power: Power,
    },
    /// Change one VM.
    Alter { vm: VmId, radl: Arc<str> },
}

/// A launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The document as sent, canonical.
    pub(crate) radl: Arc<str>,
    /// Whether the VMs are configured afterwards.
    pub(crate) context: bool,
    /// Whether somebody waits: then a create that fails as a whole leaves no record.
    pub(crate) waited_for: bool,
    /// The TOSCA document that the infrastructure has from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tosca: Option<ToscaPart>,
}

/// The second half of an update: an add that begins where the removal ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Then {
    /// Its operation, so that the caller can wait for it.
    pub(crate) operation: OperationId,
    /// What it launches.
    pub(crate) launch: Launch,
}

impl Request {
    /// The form that is stored.
    pub(crate) fn to_value(&self) -> Result<Arc<Value>, serde_json::Error> {
        serde_json::to_value(self).map(Arc::new)
    }
    /// Reads what was stored.
    pub(crate) fn from_value(value: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use im_model::AuthLine;

    #[test]
    fn what_is_stored_reads_back() {
        for what in [
            What::Launch(Launch {
                radl: "deploy a 1".into(),
                context: true,
                waited_for: false,
                tosca: None,
            }),
            What::Remove {
                vms: vec![VmId(1)],
                context: false,
                then: Some(Box::new(Then {
                    operation: OperationId::from("next".to_owned()),
                    launch: Launch {
                        radl: "deploy a 1".into(),
                        context: true,
                        waited_for: true,
                        tosca: Some(ToscaPart {
                            text: "a: 1".into(),
                            kept: crate::tosca::Kept::default(),
                        }),
                    },
                })),
            },
            What::Destroy { force: true },
            What::Abandon,
            What::Configure { radl: None, only: None },
            What::Power {
                vm: None,
                power: Power::Stop,
            },
        ] {
            let request = Request {
                user: "me".into(),
                credentials: Credentials {
                    lines: vec![AuthLine::new([("type", "Dummy")])],
                },
                what,
            };
            let stored = request.to_value().unwrap();
            assert_eq!(Request::from_value(&stored).unwrap(), request);
        }
    }

    #[test]
    fn a_format_of_version_1_is_read() {
        let stored = serde_json::json!({"user": "u", "credentials": [{"type": "Dummy"}], "what": "configure"});
        let request = Request::from_value(&stored).unwrap();
        assert_eq!(request.what, What::Configure { radl: None, only: None });
        let stored = serde_json::json!({"user": "u", "credentials": [], "what": "remove", "vms": [1], "context": true});
        let What::Remove { then, .. } = Request::from_value(&stored).unwrap().what else {
            panic!("a removal");
        };
        assert_eq!(then, None);
    }
}
