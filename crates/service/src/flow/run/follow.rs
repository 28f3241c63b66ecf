//! The run itself: started under its number, followed event by event. How far it was followed is stored with what the
//! events changed, so that whoever takes over goes on behind it.

use super::{ctxt_failure, master::handed_on, store_failure};
use crate::{flow::Flow, logs, materialize, states::Next};
use im_ctxt::{CtxtError, EventKind, Follow, RunnerEvent, StepOutcome};
use im_model::{Configured, EventBody, Infrastructure, LogScope, Vm, VmId};
use im_ops::{RunCall, StepError};
use im_radl::System;
use im_store::{InfraState, Write};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// Events that arrive within this time are written together.
const TOGETHER: Duration = Duration::from_millis(50);
/// At most that many.
const MOST: usize = 500;
/// Where the infrastructure's row says how far a run was followed.
const FOLLOWED: &str = "run";

impl Flow {
    pub(super) async fn follow_run(&self, call: &RunCall) -> Result<Value, StepError> {
        let ansible = handed_on(call)?;
        let spec = self.spec(call).await?;
        let mut master = self.connected(&spec).await?;
        master
            .start(spec.number, &ansible)
            .await
            .map_err(|e| ctxt_failure(&e))?;
        let state = call.sink.state().await.map_err(|e| store_failure(&e))?;
        let mut arriving = pumped(master.follow(spec.number, followed(&state.infra, spec.number)));
        let systems: Arc<HashMap<VmId, Arc<System>>> =
            Arc::new(spec.nodes.iter().map(|n| (n.id, n.features.clone())).collect());
        loop {
            let Some(first) = arriving.recv().await else {
                return Err(StepError::temporary("the runner ended without saying how"));
            };
            let first = first.map_err(|e| ctxt_failure(&e))?;
            let mut events = vec![first];
            let mut broken = None;
            while events.len() < MOST && !matches!(events.last().map(|e| &e.kind), Some(EventKind::Finished { .. })) {
                match timeout(TOGETHER, arriving.recv()).await {
                    Ok(Some(Ok(event))) => events.push(event),
                    Ok(Some(Err(error))) => {
                        broken = Some(error);
                        break;
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            let end = events.iter().find_map(|e| match &e.kind {
                EventKind::Finished { error, .. } => Some(error.clone()),
                _ => None,
            });
            let (number, systems) = (spec.number, systems.clone());
            let change = move |state: &InfraState| writes(state, number, &events, &systems);
            let written = call.sink.update(Box::new(change)).await;
            written.map_err(|e| store_failure(&e))?;
            if let Some(error) = end {
                self.masters.drop_of(&spec.infra);
                return match error {
                    Some(why) => Err(StepError::failed(why)),
                    None => Ok(Value::Null),
                };
            }
            if let Some(error) = broken {
                return Err(ctxt_failure(&error));
            }
        }
    }
}

/// The events through a channel, so that whoever gives up waiting for one loses none.
fn pumped(mut follow: Follow) -> mpsc::Receiver<Result<RunnerEvent, CtxtError>> {
    let (sender, receiver) = mpsc::channel(MOST);
    tokio::spawn(async move {
        loop {
            let next = tokio::select! {
                () = sender.closed() => return,
                next = follow.next() => next.transpose(),
            };
            let Some(event) = next else { return };
            let broken = event.is_err();
            if sender.send(event).await.is_err() || broken {
                return;
            }
        }
    });
    receiver
}

/// How far this run was followed.
fn followed(infra: &Infrastructure, number: u64) -> u64 {
    let of = |value: &Value| {
        let same = value.get("number").and_then(Value::as_u64) == Some(number);
        if same {
            value.get("seq").and_then(Value::as_u64)
        } else {
            None
        }
    };
    infra.extra.get(FOLLOWED).and_then(of).unwrap_or(0)
}

/// What events mean for rows, logs and whoever watches.
fn writes(state: &InfraState, number: u64, events: &[RunnerEvent], systems: &HashMap<VmId, Arc<System>>) -> Vec<Write> {
    let before = followed(&state.infra, number);
    let mut next = Next::new(state);
    let mut told = Vec::new();
    let mut texts: BTreeMap<LogScope, String> = BTreeMap::new();
    let mut seq = before;
    for event in events.iter().filter(|e| e.seq > before) {
        seq = seq.max(event.seq);
        match &event.kind {
            EventKind::Step {
                name,
                vms,
                outcome,
                error,
            } => told.push(Write::Event(EventBody::Step {
                name: name.clone(),
                vms: vms.clone(),
                outcome: outcome_word(*outcome).to_owned(),
                error: error.clone(),
            })),
            EventKind::Log { scope, text } => {
                let log = texts.entry(*scope).or_default();
                match scope {
                    LogScope::Infra => log.push_str(&logs::line(text)),
                    LogScope::Vm(_) => log.push_str(text),
                }
            }
            EventKind::Credentials { vm, password, key } => {
                if let (Some(mut row), Some(system)) = (row(&next, *vm), systems.get(vm)) {
                    materialize::promote(&mut row.own, &system.features, *password, *key);
                    next.vms.insert(*vm, Arc::new(row));
                }
            }
            EventKind::VmDone { vm, ok, error } => {
                if let Some(mut row) = row(&next, *vm) {
                    row.configured = if *ok { Configured::Yes } else { Configured::Failed };
                    if *ok {
                        materialize::set_keyed(&mut row.own);
                    }
                    next.vms.insert(*vm, Arc::new(row));
                }
                if let Some(why) = error {
                    let log = texts.entry(LogScope::Vm(*vm)).or_default();
                    if !log.is_empty() && !log.ends_with('\n') {
                        log.push('\n');
                    }
                    log.push_str(why);
                    log.push('\n');
                }
            }
            EventKind::Reached { .. } | EventKind::Finished { .. } => {}
        }
    }
    let infra = Arc::make_mut(&mut next.infra);
    infra
        .extra
        .insert(FOLLOWED.to_owned(), json!({ "number": number, "seq": seq }));
    let mut all: Vec<Write> = texts
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(scope, text)| Write::Log { scope, text })
        .collect();
    all.extend(told);
    let rows_changed = !next.vms.is_empty();
    let mut changed = next.writes();
    if !rows_changed {
        // Nobody's state is another one: nothing to tell.
        changed.retain(|w| !matches!(w, Write::Event(EventBody::State { .. })));
    }
    all.extend(changed);
    all
}

fn row(next: &Next<'_>, vm: VmId) -> Option<Vm> {
    let row = next.vms.get(&vm).or_else(|| next.state.vms.get(&vm))?;
    (!row.destroyed).then(|| (**row).clone())
}

fn outcome_word(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Started => "started",
        StepOutcome::Succeeded => "succeeded",
        StepOutcome::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_support::{infrastructure, vm};

    fn event(seq: u64, kind: EventKind) -> RunnerEvent {
        RunnerEvent { seq, time: 0, kind }
    }

    #[test]
    fn events_are_taken_once() {
        let mut state = infrastructure();
        let mut row = vm(0);
        row.own
            .insert("disk.0.os.credentials.new.password".into(), "fresh".into());
        state.vms.insert(VmId(0), Arc::new(row));
        let mut system = System::default();
        system.features.set_text("disk.0.os.credentials.new.password", "fresh");
        let systems = HashMap::from([(VmId(0), Arc::new(system))]);
        let events = [
            event(
                1,
                EventKind::Credentials {
                    vm: VmId(0),
                    password: true,
                    key: false,
                },
            ),
            event(
                2,
                EventKind::VmDone {
                    vm: VmId(0),
                    ok: true,
                    error: None,
                },
            ),
        ];
        for write in writes(&state, 3, &events, &systems) {
            match write {
                Write::Infrastructure(infra) => state.infra = infra,
                Write::Vm(vm) => {
                    state.vms.insert(vm.id, vm);
                }
                _ => {}
            }
        }
        let row = &state.vms[&VmId(0)];
        assert_eq!(row.configured, Configured::Yes);
        assert_eq!(row.own["disk.0.os.credentials.password"], "fresh");
        assert_eq!(row.own["disk.0.os.credentials.new.password"], Value::Null);
        assert_eq!((followed(&state.infra, 3), followed(&state.infra, 4)), (2, 0));
        let again = writes(&state, 3, &events, &systems);
        assert!(
            !again.iter().any(|w| matches!(w, Write::Vm(_) | Write::Event(_))),
            "{again:?}"
        );
    }
}
