//! What happened, turned into rows, log lines, events and the application's own rows: one transaction.

use crate::owner::Draft;
use crate::workflow::{Change, Job, UnitOutcome, Workflow};
use im_cloud::Observed;
use im_model::{Action, EventBody, Plan, Resource, ResourceKind, Step, StepEvent, StepEventKind, StepId, Unit, VmId};
use im_store::Write;
use std::sync::Arc;

/// Something that happened.
pub(super) enum Record {
    /// To a step.
    Step {
        id: u32,
        event: StepEventKind,
        /// The resource's row as it stands after it.
        row: Option<Arc<Resource>>,
        /// What the cloud said, for a resource that exists now.
        observed: Option<Box<Observed>>,
    },
    /// To a row alone.
    Row(Arc<Resource>),
    /// A unit ended.
    Unit(Unit, UnitOutcome),
}

/// Writes it all down, in order.
pub(super) fn write(draft: &mut Draft<'_>, workflow: &dyn Workflow, job: &Job, plan: &Plan, records: Vec<Record>) {
    let mut feed = Feed::default();
    let mut states = States::default();
    for record in records {
        match record {
            Record::Step {
                id,
                event,
                row,
                observed,
            } => {
                if let Some(row) = &row {
                    draft.push(Write::Resource(Arc::clone(row)));
                }
                let Some(step) = plan.steps.get(id as usize) else {
                    continue;
                };
                feed.add(step, &event, row.as_deref());
                let change = Change::Step {
                    id: StepId(id),
                    step,
                    event: &event,
                    created: row.as_deref().zip(observed.as_deref()),
                };
                let writes = workflow.project(job, draft.state(), change);
                draft.push(Write::Step(StepEvent {
                    operation: job.operation.id.clone(),
                    step: StepId(id),
                    kind: event,
                }));
                draft.extend(states.without(writes));
            }
            Record::Row(row) => draft.push(Write::Resource(row)),
            Record::Unit(unit, outcome) => {
                let change = Change::Unit {
                    unit,
                    outcome: &outcome,
                };
                let writes = workflow.project(job, draft.state(), change);
                draft.extend(states.without(writes));
            }
        }
    }
    if let Some(event) = states.event {
        draft.push(Write::Event(event));
    }
    for event in feed.events {
        draft.push(Write::Event(event));
    }
}

/// Changed states, those of one transaction as one event.
#[derive(Default)]
struct States {
    event: Option<EventBody>,
}

impl States {
    /// The writes but for events of states, which are kept.
    fn without(&mut self, mut writes: Vec<Write>) -> Vec<Write> {
        let taken = writes.extract_if(.., |w| matches!(w, Write::Event(EventBody::State { .. })));
        for write in taken {
            let Write::Event(EventBody::State { state, vms }) = write else {
                continue;
            };
            match &mut self.event {
                Some(EventBody::State { state: last, vms: all }) => {
                    *last = state;
                    all.extend(vms);
                }
                _ => self.event = Some(EventBody::State { state, vms }),
            }
        }
        writes
    }
}

/// The step's events, those that differ only in their VMs as one.
#[derive(Default)]
struct Feed {
    events: Vec<EventBody>,
}

impl Feed {
    fn add(&mut self, step: &Step, event: &StepEventKind, row: Option<&Resource>) {
        let (word, why) = match event {
            StepEventKind::Started { .. } => ("started", None),
            StepEventKind::Succeeded { .. } => ("succeeded", None),
            StepEventKind::Failed { failure, .. } => ("failed", Some(&failure.message)),
            StepEventKind::Skipped => ("skipped", None),
            StepEventKind::Undone => ("undone", None),
        };
        let title = title(step, row);
        let vm = match step.unit {
            Unit::Vm(vm) => Some(vm),
            Unit::Infra => None,
        };
        if let Some(vm) = vm {
            // There are few different ones in a group: the last that matches is near the end.
            for known in self.events.iter_mut().rev().take(16) {
                if let EventBody::Step {
                    name,
                    vms,
                    outcome,
                    error,
                } = known
                    && *name == title
                    && outcome == word
                    && error.as_ref() == why
                    && !vms.is_empty()
                {
                    push_new(vms, vm);
                    return;
                }
            }
        }
        self.events.push(EventBody::Step {
            name: title,
            vms: vm.into_iter().collect(),
            outcome: word.to_owned(),
            error: why.cloned(),
        });
    }
}

fn push_new(vms: &mut Vec<VmId>, vm: VmId) {
    if vms.last() != Some(&vm) {
        vms.push(vm);
    }
}

/// The name of a step for people.
pub(crate) fn title(step: &Step, row: Option<&Resource>) -> String {
    let of = |verb: &str, kind: ResourceKind, name: &str| {
        let kind = kind.as_str().replace('_', " ");
        match step.unit {
            Unit::Infra if !name.is_empty() => format!("{verb} {kind} {name}"),
            _ => format!("{verb} {kind}"),
        }
    };
    match &step.action {
        Action::Ensure { kind, name, .. } => of("create", *kind, name),
        Action::Absent { .. } => row.map_or_else(|| "delete".to_owned(), |r| of("delete", r.kind, &r.name)),
        Action::Run { name, .. } => name.clone(),
    }
}
