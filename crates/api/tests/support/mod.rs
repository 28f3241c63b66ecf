//! A manager that only remembers what it was asked, and requests written down with their answers.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses a part; helpers of tests may fail"
)]

use async_trait::async_trait;
use axum::{
    body::{Body, to_bytes},
    http::{Request, Response},
};
use futures::stream::{self, BoxStream, StreamExt as _};
use im_api::{Options, Rest};
use im_auth::{Caller, Policy};
use im_model::{
    Account, Credentials, Event, EventBody, InfraId, Key, LogScope, OpKind, OpState, OperationId, Power, ResourceKind,
    ResourceState, StepId, VmId, VmState,
};
use im_radl::{Difference, Document};
use im_service::{
    Accepted, CloudName, ContMsg, Context, Force, Manager, NeededAccount, OperationDetails, OperationView, Orphan,
    OrphanProblem, OrphanStatus, Orphans, PlannedStep, RemainingResource, Reply, ServiceError, ServiceResult,
    StateView, Steer, StepStanding, Translation, Updated, VmView,
};
use im_tosca::OutputValue;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::IpAddr,
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) const AUTH: &str = "type = InfrastructureManager; username = bob; password = secret";

pub(crate) const VM: &str = "network net ( outbound = 'yes' )\nsystem front (\nmemory.size = 1024M and\nstate = 'running' and\ndisk.0.applications contains (name = 'a' and version = '1')\n)";

/// The manager. Ids of infrastructures that are words of trouble cause it.
#[derive(Default)]
pub(crate) struct Fake {
    calls: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    async fn infra(&self, infra: &InfraId) -> ServiceResult<()> {
        use ServiceError as E;
        Err(match infra.as_str() {
            "inf" => return Ok(()),
            "deleted" => E::DeletedInfrastructure,
            "foreign" => E::NotGranted,
            "disabled" => E::Disabled,
            "refused" => E::Refused("no".to_owned()),
            "html" => E::Refused("<script>alert('1')&\"</script>".to_owned()),
            "stuck" => E::Operation {
                id: OperationId::from("op-stuck"),
                message: "the cloud says: quota".to_owned(),
            },
            "internal" => E::Internal {
                correlation: "c0ffee".to_owned(),
            },
            "panic" => panic!("told to"),
            "slow" => std::future::pending().await,
            _ => E::NoInfrastructure,
        })
    }

    async fn vm(&self, infra: &InfraId, vm: VmId) -> ServiceResult<()> {
        self.infra(infra).await?;
        match vm.0 {
            0 | 1 => Ok(()),
            7 => Err(ServiceError::DeletedVm),
            _ => Err(ServiceError::NoVm),
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the manager's form")]
fn done<T>(value: T) -> ServiceResult<Accepted<T>> {
    Ok(Accepted {
        operation: Some(OperationId::from("op-1")),
        value,
        warnings: Vec::new(),
    })
}

fn details(id: &OperationId) -> ServiceResult<OperationDetails> {
    if id.as_str() != "op-1" {
        return Err(ServiceError::NoOperation);
    }
    let cloud = || CloudName {
        id: "one".to_owned(),
        kind: "Docker".to_owned(),
        server: "docker.example".to_owned(),
    };
    let step = |n: u32, vm, what: &str, state, errors: &[&str]| PlannedStep {
        step: StepId(n),
        vm,
        what: what.to_owned(),
        after: (0..n).map(StepId).collect(),
        state,
        attempts: 1,
        errors: errors.iter().map(|e| (*e).to_owned()).collect(),
    };
    Ok(OperationDetails {
        operation: OperationView {
            id: id.clone(),
            infrastructure: InfraId::from("inf"),
            kind: OpKind::Create,
            state: OpState::WaitingCredentials,
            cancel: None,
            error: Some("token expired".to_owned()),
            created: 1_000,
            steps: 2,
            ended: 1,
            needs: vec![NeededAccount {
                cloud: cloud(),
                account: Account::new("a"),
            }],
        },
        plan: vec![
            step(0, None, "create network net", StepStanding::Succeeded, &[]),
            step(1, Some(VmId(0)), "create vm", StepStanding::Retrying, &["no room"]),
        ],
        remaining: vec![RemainingResource {
            kind: ResourceKind::Vm,
            name: "0".to_owned(),
            vm: Some(VmId(0)),
            cloud: cloud(),
            account: Account::new("a"),
            id: Some("c0ffee".to_owned()),
            key: Key::from_stored("key".to_owned()),
            state: ResourceState::Released,
        }],
    })
}

fn orphan(status: OrphanStatus) -> Orphan {
    Orphan {
        cloud: "one".to_owned(),
        account: "project 42".to_owned(),
        kind: ResourceKind::Vm,
        id: "i-1".to_owned(),
        name: "im-00ff".to_owned(),
        infrastructure: InfraId::from("inf"),
        key: Key::from_stored("00ff"),
        status,
    }
}

fn document(text: &str) -> Document {
    im_radl::parse_text(text).into_result().unwrap().0
}

fn view() -> VmView {
    VmView::new(VmId(0), "front".to_owned(), document(VM))
}

fn short(document: &Document) -> String {
    format!("[{}]", im_radl::print(document).replace('\n', " ").trim())
}

#[async_trait]
impl Manager for Fake {
    async fn login(&self, credentials: Credentials) -> ServiceResult<Caller> {
        let caller = Policy::default()
            .check(credentials)
            .map_err(|e| ServiceError::Unauthorized(e.to_string()))?;
        if caller.username() == "mallory" {
            return Err(ServiceError::Unauthorized(
                "Invalid InfrastructureManager credentials".to_owned(),
            ));
        }
        Ok(caller)
    }

    async fn list(&self, caller: &Caller, filter: Option<&str>) -> ServiceResult<Vec<InfraId>> {
        self.note(format!("list({}, {filter:?})", caller.username()));
        match (caller.username(), filter) {
            ("nobody", _) => Ok(Vec::new()),
            (_, Some("(")) => Err(ServiceError::Refused("filter: not a regular expression".to_owned())),
            _ => Ok(vec![InfraId::from("inf"), InfraId::from("other")]),
        }
    }

    async fn create(&self, caller: &Caller, document: Document, reply: Reply) -> ServiceResult<Accepted<InfraId>> {
        self.note(format!(
            "create({}, {}, {reply:?})",
            caller.username(),
            short(&document)
        ));
        if document.systems.iter().any(|s| s.name == "hopeless") {
            return Err(ServiceError::Operation {
                id: OperationId::from("op-1"),
                message: "Error adding VMs: none".to_owned(),
            });
        }
        if document.systems.iter().any(|s| s.name == "wrong") {
            return Err(ServiceError::BadDocument {
                message: "Line 1: wrong".to_owned(),
                diagnostics: vec![im_radl::Diagnostic::error("radl::wrong", "wrong").hint("right it")],
            });
        }
        done(InfraId::from("inf"))
    }

    async fn create_tosca(&self, caller: &Caller, text: &str, reply: Reply) -> ServiceResult<Accepted<InfraId>> {
        self.note(format!("create_tosca({}, {text:?}, {reply:?})", caller.username()));
        done(InfraId::from("inf"))
    }

    async fn update_tosca(
        &self,
        _: &Caller,
        infra: &InfraId,
        text: &str,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Updated>> {
        self.note(format!("update_tosca({infra}, {text:?}, {context:?}, {reply:?})"));
        self.infra(infra).await?;
        if text == "stays" {
            return Err(ServiceError::NotRemoved {
                message: "Error deleting resources 1 (removed 0)".to_owned(),
            });
        }
        done(Updated {
            added: vec![VmId(2)],
            removed: vec![VmId(1)],
            kept: 1,
        })
    }

    async fn translate(&self, _: &Caller, infra: &InfraId, text: &str) -> ServiceResult<Translation> {
        self.note(format!("translate({infra}, {text:?})"));
        self.infra(infra).await?;
        Ok(Translation {
            document: document("system front"),
            removals: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn difference(
        &self,
        _: &Caller,
        infra: &InfraId,
        document: &Document,
        removals: &[VmId],
    ) -> ServiceResult<Difference> {
        self.note(format!("difference({infra}, {}, {removals:?})", short(document)));
        self.infra(infra).await?;
        Ok(im_radl::difference(&Document::default(), &[], document, &[]))
    }

    async fn tosca(&self, _: &Caller, infra: &InfraId) -> ServiceResult<Arc<str>> {
        self.note(format!("tosca({infra})"));
        if infra.as_str() == "other" {
            return Err(ServiceError::NotTosca("tosca"));
        }
        self.infra(infra).await?;
        Ok("tosca_definitions_version: tosca_simple_yaml_1_0\n".into())
    }

    async fn outputs(&self, _: &Caller, infra: &InfraId) -> ServiceResult<IndexMap<String, OutputValue>> {
        self.note(format!("outputs({infra})"));
        if infra.as_str() == "other" {
            return Err(ServiceError::NotTosca("outputs"));
        }
        self.infra(infra).await?;
        let value = |value, error: Option<&str>| OutputValue {
            value,
            error: error.map(str::to_owned),
        };
        Ok(IndexMap::from_iter([
            ("url".to_owned(), value("https://x/".into(), None)),
            ("later".to_owned(), value(Value::Null, Some("no VM has an address yet"))),
        ]))
    }

    async fn vms(&self, _: &Caller, infra: &InfraId) -> ServiceResult<Vec<VmId>> {
        self.note(format!("vms({infra})"));
        self.infra(infra).await?;
        Ok(vec![VmId(0), VmId(1)])
    }

    async fn state(&self, _: &Caller, infra: &InfraId) -> ServiceResult<StateView> {
        self.note(format!("state({infra})"));
        self.infra(infra).await?;
        Ok(StateView {
            state: VmState::Running,
            vm_states: BTreeMap::from([(VmId(0), VmState::Configured), (VmId(10), VmState::Running)]),
        })
    }

    async fn contmsg(&self, _: &Caller, infra: &InfraId, how_much: ContMsg) -> ServiceResult<String> {
        self.note(format!("contmsg({infra}, {how_much:?})"));
        self.infra(infra).await?;
        Ok("2026-01-01: Select master VM\nñ\n".to_owned())
    }

    async fn radl(&self, _: &Caller, infra: &InfraId) -> ServiceResult<Document> {
        self.note(format!("radl({infra})"));
        self.infra(infra).await?;
        Ok(document("network net\nsystem front\ndeploy front 1"))
    }

    async fn add(
        &self,
        _: &Caller,
        infra: &InfraId,
        document: Document,
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<VmId>>> {
        self.note(format!("add({infra}, {}, {context:?}, {reply:?})", short(&document)));
        self.infra(infra).await?;
        done(
            (0..document.vm_count())
                .map(|n| VmId(2 + u32::try_from(n).unwrap()))
                .collect(),
        )
    }

    async fn remove(
        &self,
        _: &Caller,
        infra: &InfraId,
        vms: &[VmId],
        context: Context,
        reply: Reply,
    ) -> ServiceResult<Accepted<usize>> {
        self.note(format!("remove({infra}, {vms:?}, {context:?}, {reply:?})"));
        for vm in vms {
            self.vm(infra, *vm).await?;
        }
        done(vms.len())
    }

    async fn reconfigure(
        &self,
        _: &Caller,
        infra: &InfraId,
        document: Document,
        only: Option<&[VmId]>,
    ) -> ServiceResult<Accepted<()>> {
        self.note(format!("reconfigure({infra}, {}, {only:?})", short(&document)));
        self.infra(infra).await?;
        done(())
    }

    async fn power(&self, _: &Caller, infra: &InfraId, power: Power) -> ServiceResult<Accepted<()>> {
        self.note(format!("power({infra}, {power:?})"));
        self.infra(infra).await?;
        done(())
    }

    async fn power_vm(&self, _: &Caller, infra: &InfraId, vm: VmId, power: Power) -> ServiceResult<Accepted<()>> {
        self.note(format!("power_vm({infra}, {vm}, {power:?})"));
        self.vm(infra, vm).await?;
        done(())
    }

    async fn alter(
        &self,
        _: &Caller,
        infra: &InfraId,
        vm: VmId,
        document: Document,
    ) -> ServiceResult<Accepted<VmView>> {
        self.note(format!("alter({infra}, {vm}, {})", short(&document)));
        self.vm(infra, vm).await?;
        done(view())
    }

    async fn vm(&self, _: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<Arc<VmView>> {
        self.note(format!("vm({infra}, {vm})"));
        Fake::vm(self, infra, vm).await?;
        Ok(Arc::new(view()))
    }

    async fn vm_property(&self, _: &Caller, infra: &InfraId, vm: VmId, name: &str) -> ServiceResult<Option<Value>> {
        self.note(format!("vm_property({infra}, {vm}, {name})"));
        Fake::vm(self, infra, vm).await?;
        Ok(match name {
            "state" => Some(json!("running")),
            "memory.size" => Some(json!(4_294_967_296_u64)),
            "net_interface.0.additional_dns_names" => Some(json!(["a", "b"])),
            "disk.0.applications" => Some(json!([{"name": "a", "version": "1"}])),
            _ => None,
        })
    }

    async fn vm_contmsg(&self, _: &Caller, infra: &InfraId, vm: VmId) -> ServiceResult<String> {
        self.note(format!("vm_contmsg({infra}, {vm})"));
        Fake::vm(self, infra, vm).await?;
        Ok("PLAY [all]\n".to_owned())
    }

    async fn destroy(&self, _: &Caller, infra: &InfraId, force: Force, reply: Reply) -> ServiceResult<Accepted<()>> {
        self.note(format!("destroy({infra}, {force:?}, {reply:?})"));
        self.infra(infra).await?;
        done(())
    }

    async fn events(&self, _: &Caller, infra: &InfraId, after: u64) -> ServiceResult<BoxStream<'static, Event>> {
        self.note(format!("events({infra}, {after})"));
        if infra.as_str() == "endless" {
            return Ok(stream::pending().boxed());
        }
        self.infra(infra).await?;
        let bodies = vec![
            EventBody::Operation {
                id: OperationId::from("op-1"),
                kind: OpKind::Create,
                state: OpState::Running,
                error: None,
            },
            EventBody::State {
                state: VmState::Pending,
                vms: BTreeMap::from([(VmId(0), VmState::Pending)]),
            },
            EventBody::Log {
                scope: LogScope::Infra,
                text: "one\ntwo\n".to_owned(),
            },
        ];
        let events = bodies.into_iter().zip(1..).map(|(body, seq)| Event {
            infra: InfraId::from("inf"),
            seq,
            time: 0,
            body,
        });
        Ok(stream::iter(events.filter(move |e| e.seq > after).collect::<Vec<_>>()).boxed())
    }

    async fn orphans(&self, caller: &Caller) -> ServiceResult<Orphans> {
        self.note(format!("orphans({})", caller.username()));
        Ok(Orphans {
            orphans: vec![orphan(OrphanStatus::Unknown)],
            removed: Vec::new(),
            errors: vec![OrphanProblem {
                cloud: "far".to_owned(),
                message: "no answer".to_owned(),
            }],
        })
    }

    async fn remove_orphans(&self, caller: &Caller) -> ServiceResult<Orphans> {
        self.note(format!("remove_orphans({})", caller.username()));
        if caller.username() == "nobody" {
            return Err(ServiceError::Disabled);
        }
        Ok(Orphans {
            orphans: Vec::new(),
            removed: vec![orphan(OrphanStatus::Dead)],
            errors: Vec::new(),
        })
    }

    async fn operation(&self, _: &Caller, id: &OperationId) -> ServiceResult<OperationDetails> {
        self.note(format!("operation({id})"));
        details(id)
    }

    async fn operations(&self, _: &Caller, infra: &InfraId) -> ServiceResult<Vec<OperationView>> {
        self.note(format!("operations({infra})"));
        self.infra(infra).await?;
        Ok(vec![details(&OperationId::from("op-1"))?.operation])
    }

    async fn steer(&self, _: &Caller, id: &OperationId, steer: Steer, reply: Reply) -> ServiceResult<OperationDetails> {
        self.note(format!("steer({id}, {steer:?}, {reply:?})"));
        match id.as_str() {
            "op-waiting" => Err(ServiceError::Operation {
                id: id.clone(),
                message: "These credentials are of account b. Operation op-waiting needs credentials of account a of \
                          cloud one (type Docker)."
                    .to_owned(),
            }),
            "op-ended" => Err(ServiceError::Conflict(
                "The operation has ended (done): what it did stays.".to_owned(),
            )),
            _ => details(id),
        }
    }

    async fn abandon(
        &self,
        _: &Caller,
        infra: &InfraId,
        reply: Reply,
    ) -> ServiceResult<Accepted<Vec<RemainingResource>>> {
        self.note(format!("abandon({infra}, {reply:?})"));
        self.infra(infra).await?;
        done(details(&OperationId::from("op-1"))?.remaining)
    }
}

/// A request: method, path with query, headers, body.
pub(crate) type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// The API over a fake.
pub(crate) struct Api {
    pub(crate) fake: Arc<Fake>,
    pub(crate) rest: Rest,
    pub(crate) stop: CancellationToken,
}

pub(crate) fn api(options: Options) -> Api {
    let fake = Arc::new(Fake::default());
    let stop = CancellationToken::new();
    let rest = Rest::new(fake.clone(), options, stop.clone());
    Api { fake, rest, stop }
}

impl Api {
    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.rest.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn ask(&self, (method, path, headers, body): Asked<'_>) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "im.example");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) fn from(&self, peer: &str) -> Self {
        Self {
            fake: Arc::clone(&self.fake),
            rest: self.rest.for_peer(peer.parse::<IpAddr>().unwrap()),
            stop: self.stop.clone(),
        }
    }

    /// Requests with their answers and what the manager was asked, as text. The header for credentials is not shown.
    pub(crate) async fn transcript(&self, asked: &[Asked<'_>]) -> String {
        let mut out = String::new();
        for request in asked {
            let (method, path, headers, body) = request;
            let _ = writeln!(out, "> {method} {path}");
            for (name, value) in headers
                .iter()
                .filter(|(name, value)| (*name, *value) != ("authorization", AUTH))
            {
                let _ = writeln!(out, "> {name}: {value}");
            }
            if !body.is_empty() {
                let _ = writeln!(out, "> {}", body.escape_debug());
            }
            let response = self.ask(*request).await;
            out.push_str(&written(response).await);
            for call in self.fake.take() {
                let _ = writeln!(out, "= {call}");
            }
            out.push('\n');
        }
        out
    }
}

/// An answer as text.
pub(crate) async fn written(response: Response<Body>) -> String {
    let mut out = format!("< {}\n", response.status());
    for (name, value) in response.headers() {
        let _ = writeln!(out, "< {name}: {}", value.to_str().unwrap());
    }
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    for line in String::from_utf8(body.to_vec()).unwrap().split_inclusive('\n') {
        let _ = match line.strip_suffix('\n') {
            Some(line) => writeln!(out, "{line}"),
            None => writeln!(out, "{line}⏎"),
        };
    }
    out
}
