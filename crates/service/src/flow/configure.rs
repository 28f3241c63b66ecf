//! The plan of a contextualization and what its end means. Pure.

use super::{Flow, project::nobody_takes_part, scope::Scope, stuck};
use crate::{logs::header, states::Next};
use im_ctxt::DISABLED_VM;
use im_model::{Action, Configured, LogScope, Plan, Step, StepId, Unit, VmId};
use im_ops::{Cancelled, Ending, Planned, StepError, UnitOutcome};
use im_radl::{Document, System};
use im_store::{InfraState, Write};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// Handlers, in order: each waits for the one before.
pub(super) const WAIT_IPS: &str = "wait_ips";
pub(super) const MASTER: &str = "master";
pub(super) const ANSIBLE: &str = "ansible";
pub(super) const PUSH: &str = "push";
pub(super) const RUN: &str = "run";

impl Flow {
    pub(super) fn plan_configure(
        &self,
        state: &InfraState,
        radl: Option<&Arc<str>>,
        only: Option<&[VmId]>,
    ) -> Result<Planned, StepError> {
        let stored = self.document(state)?;
        let mut next = Next::new(state);
        let mut document = stored.clone();
        if let Some(text) = radl {
            let sent = self.documents.read(text).map_err(|why| stuck(&why))?;
            let merged = stored.reconfigure_with(&sent).map_err(|d| {
                StepError::failed(im_radl::first_error(&d).unwrap_or_else(|| "the document is not acceptable".into()))
            })?;
            Arc::make_mut(&mut next.infra).radl = im_radl::print(&merged).into();
            renew(&mut next, &sent);
            document = Arc::new(merged);
        }
        let scope = Scope::new(&document, &self.connectors);
        if !next.living().any(|vm| scope.takes(vm)) {
            let lines = nobody_takes_part(&mut next, &document);
            let mut writes = next.writes();
            writes.extend(lines);
            return Ok(Planned {
                plan: Plan::default(),
                writes,
            });
        }
        let mut logs = vec![Write::ClearLog { scope: LogScope::Infra }];
        let rows: Vec<_> = next.living().cloned().collect();
        for vm in rows {
            let takes = scope.takes(&vm);
            let configured = if takes { Configured::Unfinished } else { Configured::Yes };
            logs.push(Write::ClearLog {
                scope: LogScope::Vm(vm.id),
            });
            if !takes {
                logs.push(Write::Log {
                    scope: LogScope::Vm(vm.id),
                    text: format!("{DISABLED_VM}\n"),
                });
            }
            if vm.configured != configured {
                let mut row = (*vm).clone();
                row.configured = configured;
                next.vms.insert(row.id, Arc::new(row));
            }
        }
        let infra = Arc::make_mut(&mut next.infra);
        infra.configured = Configured::Unfinished;
        infra.context.number += 1;
        let number = infra.context.number;
        let names = [WAIT_IPS, MASTER, ANSIBLE, PUSH, RUN];
        let steps = names.iter().zip(0u32..).map(|(name, n)| Step {
            unit: Unit::Infra,
            after: n.checked_sub(1).map(StepId).into_iter().collect(),
            always: false,
            action: Action::Run {
                name: (*name).to_owned(),
                args: Arc::new(json!({ "number": number, "only": only })),
            },
        });
        let mut writes = logs;
        writes.extend(next.writes());
        Ok(Planned {
            plan: Plan { steps: steps.collect() },
            writes,
        })
    }
}

/// New credentials and applications reach the VMs that exist, too.
fn renew(next: &mut Next<'_>, sent: &Document) {
    let rows: Vec<_> = next.living().cloned().collect();
    for vm in rows {
        let Some(system) = sent.system(&vm.system) else {
            continue;
        };
        let own = renewed(&vm.own, system);
        if own != vm.own {
            let mut row = (*vm).clone();
            row.own = own;
            next.vms.insert(row.id, Arc::new(row));
        }
    }
}

fn renewed(own: &BTreeMap<String, serde_json::Value>, sent: &System) -> BTreeMap<String, serde_json::Value> {
    const APPLICATIONS: &str = "disk.0.applications";
    let mut own = own.clone();
    for (name, _) in sent
        .features
        .iter()
        .filter(|(name, _)| name.contains(".credentials.new."))
    {
        if let Some(value) = sent.features.to_json_value(name) {
            own.insert(name.to_owned(), value);
        }
    }
    if sent.features.contains(APPLICATIONS) {
        // What the VM has is in its row or in what it shares; both are shown, and the infrastructure's document, from
        // which roles are taken, has the merged list.
        let mut there = System::default();
        if let Some(value) = own.get(APPLICATIONS)
            && there.features.set_json(APPLICATIONS, value).is_err()
        {
            return own;
        }
        there.reconfigure_with(sent);
        if let Some(value) = there.features.to_json_value(APPLICATIONS) {
            own.insert(APPLICATIONS.to_owned(), value);
        }
    }
    own
}

/// The end of a run: whoever has not finished by now has failed, unless a newer run takes over.
pub(super) fn ended(state: &InfraState, ending: &Ending) -> Vec<Write> {
    if ending.cancelled == Some(Cancelled::Superseded) {
        // The newer run has the rows.
        return Vec::new();
    }
    let mut next = Next::new(state);
    let failed = match ending.units.get(&Unit::Infra) {
        Some(UnitOutcome::Failed { errors }) => Some(errors.join("\n")),
        _ => ending.error.clone(),
    };
    let unfinished: Vec<_> = next
        .living()
        .filter(|vm| vm.configured == Configured::Unfinished)
        .cloned()
        .collect();
    // A VM that could not be created is not ours to judge.
    let judged = unfinished.into_iter().filter(|vm| vm.cloud_id.is_some());
    for vm in judged {
        let mut row = (*vm).clone();
        row.configured = Configured::Failed;
        next.vms.insert(row.id, Arc::new(row));
    }
    // A VM that fails does so alone: only what went wrong for all is the infrastructure's.
    Arc::make_mut(&mut next.infra).configured = match &failed {
        Some(_) => Configured::Failed,
        None => Configured::Yes,
    };
    let mut writes = next.writes();
    if let Some(why) = failed {
        writes.push(header(&why));
    }
    writes
}
