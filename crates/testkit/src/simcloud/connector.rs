//! The way of one process to the simulated cloud: what it sends is carried out whether or not it still waits, and each
//! call may meet a fault.

use super::{Always, Fault, SimCloud};
use crate::{crash::Life, safeguard::Safeguard};
use async_trait::async_trait;
use im_cloud::{
    CloudError, Connector, Cx, Draw, ErrorKind, FirstOrResume, Found, Gone, LaunchPlan, LaunchRequest, Observed, Seen,
    Target, VmPlan, Wanted, WantedResource,
};
use im_model::{Account, AuthLine, Capability, CloudRef, Power, ResourceKind, Supports, VmState};
use im_radl::System;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

/// How long a call waits for its answer.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) struct SimConnector {
    pub(super) cloud: Arc<SimCloud>,
    pub(super) life: Life,
}

fn observed(id: &str, state: Option<VmState>) -> Observed {
    Observed {
        cloud_id: id.to_owned(),
        state,
        public_ips: Vec::new(),
        private_ips: Vec::new(),
        features: BTreeMap::new(),
    }
}

fn no_answer() -> CloudError {
    CloudError::unknown(ErrorKind::Unavailable, "no answer")
}

impl SimConnector {
    fn check(&self, cx: &Cx) -> Result<String, CloudError> {
        let own = cx.auth.plain("account");
        if own.is_empty() {
            return Err(CloudError::not_applied(ErrorKind::Unauthorized, "who are you?"));
        }
        match &cx.account {
            Some(wanted) if wanted.as_str() != own && self.cloud.options.without != Some(Safeguard::Account) => {
                Err(CloudError::not_applied(
                    ErrorKind::WrongAccount,
                    format!("these are credentials of {own}, not of {wanted}"),
                ))
            }
            _ => Ok(own.to_owned()),
        }
    }

    /// Sends a request. The cloud carries it out whether or not somebody still waits for the answer.
    async fn request<T: Send + 'static>(
        &self,
        effect: impl Fn(&SimCloud, FirstOrResume) -> Result<T, CloudError> + Send + 'static,
        first: FirstOrResume,
    ) -> Result<T, CloudError> {
        self.life.check().await;
        let waited = self.life.thawed().await;
        let fault = self.cloud.next_fault();
        let way = self.cloud.some_of(self.cloud.options.transit);
        let answer_after = self.cloud.some_of(self.cloud.options.latency);
        let (mut send, receive) = oneshot::channel();
        let cloud = Arc::clone(&self.cloud);
        let mut frozen = Duration::ZERO;
        match fault {
            Some(Fault::Refused) => {
                sleep(answer_after).await;
                return Err(CloudError::not_applied(ErrorKind::Unavailable, "come back later"));
            }
            Some(Fault::RefusedForGood) => {
                sleep(answer_after).await;
                return Err(CloudError::not_applied(ErrorKind::Invalid, "never"));
            }
            Some(Fault::Unauthorized) => {
                return Err(CloudError::not_applied(ErrorKind::Unauthorized, "token expired"));
            }
            Some(Fault::NotDoneNoAnswer) => {
                sleep(answer_after).await;
                return Err(no_answer());
            }
            Some(Fault::Late(pause)) => {
                tokio::spawn(async move {
                    sleep(pause).await;
                    let _ = effect(&cloud, first);
                });
                sleep(answer_after).await;
                return Err(no_answer());
            }
            Some(Fault::Hangs(pause)) => {
                tokio::spawn(async move {
                    send.closed().await;
                    sleep(pause).await;
                    let _ = effect(&cloud, first);
                });
                return match timeout(DEADLINE, receive).await {
                    Ok(answer) => answer.unwrap_or_else(|_| Err(no_answer())),
                    Err(_) => Err(no_answer()),
                };
            }
            Some(Fault::Panic) => std::panic::resume_unwind(Box::new("the connector panics")),
            // What waited for the end of a pause got its permission before it: twice as long would be too long ago.
            Some(Fault::Frozen(pause)) if !waited => {
                self.life.freeze(pause);
                frozen = pause;
            }
            // To the world it is dead; what it was about to do is yet to come.
            Some(Fault::Replaced(pause)) => {
                self.life.end();
                tokio::spawn(async move {
                    sleep(pause + way).await;
                    let _ = effect(&cloud, first);
                });
                return std::future::pending().await;
            }
            Some(Fault::Frozen(_) | Fault::AnswerLost | Fault::Twice | Fault::Slow(_) | Fault::Repeated) | None => {}
        }
        let life = self.life.clone();
        tokio::spawn(async move {
            sleep(frozen).await;
            // A process that is killed while it stands still sends nothing.
            if frozen > Duration::ZERO && life.is_over() {
                return;
            }
            sleep(way).await;
            if let Some(Fault::Slow(pause)) = fault {
                sleep(pause).await;
            }
            if fault == Some(Fault::Repeated) {
                let _ = effect(&cloud, first);
            }
            let mut result = effect(&cloud, first);
            if fault == Some(Fault::Twice) && result.is_ok() {
                // A restarted engine waits until lists tell.
                sleep(answer_after + cloud.options.lag).await;
                result = effect(&cloud, FirstOrResume::Resume);
            }
            sleep(answer_after).await;
            let _ = send.send(result);
        });
        let answer = receive.await;
        self.life.thawed().await;
        self.life.check().await;
        if fault == Some(Fault::AnswerLost) {
            return Err(no_answer());
        }
        answer.unwrap_or_else(|_| Err(no_answer()))
    }

    /// A request that asks, or sets what may be set again.
    async fn plain<T: Send + 'static>(
        &self,
        effect: impl Fn(&SimCloud) -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        self.request(move |cloud, _| effect(cloud), FirstOrResume::First).await
    }

    async fn ensure_one(&self, cx: &Cx, wanted: &Wanted, first: FirstOrResume) -> Result<Observed, CloudError> {
        let account = self.check(cx)?;
        let always = self.cloud.world().kinds.get(&wanted.kind).copied();
        match always {
            None => {}
            Some(Always::Refused) => return Err(CloudError::not_applied(ErrorKind::Unavailable, "come back later")),
            Some(Always::RefusedForGood) => return Err(CloudError::not_applied(ErrorKind::Invalid, "never")),
            Some(Always::Unanswered) => return std::future::pending().await,
        }
        let (wanted, mark) = (wanted.clone(), cx.mark(&wanted.key));
        let cloud_id = self
            .request(move |cloud, first| cloud.create(&wanted, &mark, &account, first), first)
            .await?;
        Ok(observed(&cloud_id, Some(VmState::Running)))
    }
}

#[async_trait]
impl Connector for SimConnector {
    fn kind(&self) -> &'static str {
        "Sim"
    }

    fn capability(&self) -> Capability {
        let kinds = [
            ResourceKind::Vm,
            ResourceKind::Network,
            ResourceKind::Volume,
            ResourceKind::Address,
        ];
        let creates = kinds.map(|kind| (kind, self.cloud.options.idempotence));
        Capability {
            creates: creates.into(),
            power: Supports::Yes,
            reboot: Supports::Yes,
            alter: Supports::Yes,
            snapshot: Supports::No("no"),
            images: Supports::No("no"),
            quotas: Supports::No("no"),
            contextualizes: false,
            dialable: false,
            listing_lag_ms: u64::try_from(self.cloud.options.lag.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn check_auth(&self, _cloud: &CloudRef, auth: &AuthLine) -> Result<(), CloudError> {
        if auth.plain("account").is_empty() {
            return Err(CloudError::not_applied(ErrorKind::Unauthorized, "who are you?"));
        }
        Ok(())
    }

    fn candidates(&self, _cloud: &CloudRef, system: &System) -> Vec<System> {
        let mut system = system.clone();
        system.features.set_text("disk.0.os.credentials.username", "root");
        vec![system]
    }

    async fn account(&self, cx: &Cx) -> Result<Account, CloudError> {
        self.life.check().await;
        self.check(cx).map(Account::new)
    }

    async fn resolve(&self, cx: &Cx, _request: &LaunchRequest) -> Result<Value, CloudError> {
        self.check(cx)?;
        self.plain(|_| Ok(json!({}))).await
    }

    fn plan(
        &self,
        _cloud: &CloudRef,
        request: &LaunchRequest,
        _resolved: &Value,
        _draw: &mut dyn Draw,
    ) -> Result<LaunchPlan, CloudError> {
        let vm = |vm: im_model::VmId| VmPlan {
            vm,
            resources: vec![WantedResource {
                kind: ResourceKind::Vm,
                name: format!("vm{vm}"),
                spec: Arc::new(json!({ "vm": vm })),
                after: Vec::new(),
            }],
            own: BTreeMap::new(),
        };
        Ok(LaunchPlan {
            shared: Vec::new(),
            vms: request.vms.iter().map(|v| vm(v.vm)).collect(),
        })
    }

    async fn ensure(&self, cx: &Cx, wanted: &[Wanted], run: FirstOrResume) -> Vec<Result<Observed, CloudError>> {
        let mut results = Vec::with_capacity(wanted.len());
        for one in wanted {
            results.push(self.ensure_one(cx, one, run).await);
        }
        results
    }

    async fn find(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        let account = self.check(cx)?;
        let cx = cx.clone();
        self.plain(move |cloud| Ok(cloud.found(&cx, &account))).await
    }

    async fn find_all(&self, cx: &Cx) -> Result<Vec<Found>, CloudError> {
        let account = self.check(cx)?;
        let cx = cx.clone();
        self.plain(move |cloud| Ok(cloud.marked(&cx, &account))).await
    }

    async fn observe(&self, cx: &Cx, ids: &[String]) -> Result<Vec<Seen>, CloudError> {
        let account = self.check(cx)?;
        let ids = ids.to_vec();
        self.plain(move |cloud| {
            let seen = |id: &String| {
                let Some(state) = cloud.state(id, &account) else {
                    return Seen::NotThere;
                };
                Seen::There(Box::new(observed(id, Some(state))))
            };
            Ok(ids.iter().map(seen).collect())
        })
        .await
    }

    async fn ensure_absent(&self, cx: &Cx, target: &Target) -> Result<Gone, CloudError> {
        let account = self.check(cx)?;
        let (target, mark) = (target.clone(), cx.mark(&target.key));
        self.plain(move |cloud| Ok(cloud.delete(&target, &mark, &account)))
            .await
    }

    async fn power(&self, cx: &Cx, cloud_id: &str, power: Power) -> Result<Observed, CloudError> {
        let account = self.check(cx)?;
        let cloud_id = cloud_id.to_owned();
        self.plain(move |cloud| {
            let state = match power {
                Power::Stop => VmState::Stopped,
                Power::Start | Power::Reboot => VmState::Running,
            };
            if !cloud.set_state(&cloud_id, &account, state) {
                return Err(CloudError::not_applied(ErrorKind::NotFound, "no such VM"));
            }
            Ok(observed(&cloud_id, Some(state)))
        })
        .await
    }

    async fn alter(&self, cx: &Cx, cloud_id: &str, _: &System, wanted: &System) -> Result<Observed, CloudError> {
        let account = self.check(cx)?;
        let cloud_id = cloud_id.to_owned();
        let memory = wanted.memory().map(|memory| ("memory.size".to_owned(), json!(memory)));
        self.plain(move |cloud| {
            if !cloud.alter(&cloud_id, &account) {
                return Err(CloudError::not_applied(ErrorKind::NotFound, "no such VM"));
            }
            let mut observed = observed(&cloud_id, cloud.state(&cloud_id, &account));
            observed.features.extend(memory.clone());
            Ok(observed)
        })
        .await
    }

    async fn images(&self, _: &Cx, _: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, CloudError> {
        Err(CloudError::unsupported("no"))
    }

    async fn quotas(&self, _: &Cx) -> Result<BTreeMap<String, (f64, f64)>, CloudError> {
        Err(CloudError::unsupported("no"))
    }
}
