//! Turns [`Write`]s into rows, sealed as far as their keys are known: done by the caller's task, so that the one
//! writer has little left to do.
//!
//! Never here: SQL.

use crate::{KeyRing, StoreError, StoreResult, Write, keys::Place};
use im_model::{
    Cancel, EventBody, InfraId, Infrastructure, LogScope, OpState, Operation, OperationId, Plan, Resource, StepEvent,
    StepEventKind, Vm,
};
use serde_json::Value;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Rows of one transaction.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) document: Option<Document>,
    pub(super) vms: Vec<(u32, Vec<u8>)>,
    pub(super) resources: Vec<(String, String, Vec<u8>)>,
    pub(super) operations: Vec<OperationWrite>,
    pub(super) steps: Vec<StepRow>,
    /// With their JSON: they are sealed when they have their numbers.
    pub(super) events: Vec<(EventBody, Vec<u8>)>,
    pub(super) cleared: BTreeSet<LogScope>,
    /// Scope and the position in `events` of the event that carries the text.
    pub(super) logs: Vec<(LogScope, usize)>,
    pub(super) blobs: Vec<(String, Vec<u8>)>,
    /// Keys of tombstones that were searched for again.
    pub(super) searched: Vec<String>,
    pub(super) drop_requests: bool,
}

/// An infrastructure's row.
pub(super) struct Document {
    pub(super) owners: Vec<u8>,
    pub(super) owners_tag: Vec<u8>,
    pub(super) doc: Vec<u8>,
    pub(super) names: Vec<Vec<u8>>,
    pub(super) deleted: bool,
}

/// A change of an operation, in the order given.
pub(super) enum OperationWrite {
    New(Box<OperationRow>),
    State {
        id: OperationId,
        state: OpState,
        error: Option<Vec<u8>>,
    },
    Cancel(OperationId),
    Resolved(OperationId, Vec<u8>),
    Planned(OperationId, Vec<u8>, i64),
    Request(OperationId, Vec<u8>),
}

pub(super) struct OperationRow {
    pub(super) id: OperationId,
    pub(super) kind: &'static str,
    pub(super) plan_format: u32,
    pub(super) state: OpState,
    pub(super) cancel: i64,
    pub(super) created: i64,
    pub(super) steps: i64,
    pub(super) error: Option<Vec<u8>>,
    pub(super) request: Option<Vec<u8>>,
    pub(super) resolved: Option<Vec<u8>>,
    pub(super) plan: Option<Vec<u8>>,
}

pub(super) struct StepRow {
    pub(super) operation: OperationId,
    pub(super) step: u32,
    pub(super) kind: StepKind,
    pub(super) attempt: u32,
    /// JSON, sealed when it has its number.
    pub(super) body: Option<Vec<u8>>,
}

/// Column `kind` of `im_step_event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepKind {
    Started = 0,
    Succeeded = 1,
    Failed = 2,
    FailedLast = 3,
    Skipped = 4,
    Undone = 5,
}

impl StepKind {
    pub(super) fn from_number(n: i64) -> Option<Self> {
        [
            Self::Started,
            Self::Succeeded,
            Self::Failed,
            Self::FailedLast,
            Self::Skipped,
            Self::Undone,
        ]
        .into_iter()
        .find(|kind| *kind as i64 == n)
    }
}

pub(super) fn vm_place(key: &str) -> Place<'_> {
    place("im_vm", key, "doc")
}
pub(super) fn vm_key(infra: &InfraId, vm: u32) -> String {
    format!("{infra}/{vm}")
}
pub(super) fn resource_place(key: &str) -> Place<'_> {
    place("im_resource", key, "doc")
}
pub(super) fn document_place<'a>(infra: &'a InfraId, column: &'static str) -> Place<'a> {
    place("im_document", infra.as_str(), column)
}
pub(super) fn operation_place<'a>(id: &'a OperationId, column: &'static str) -> Place<'a> {
    place("im_operation", id.as_str(), column)
}
/// Of rows that are numbered: events, logs, step events.
pub(super) fn numbered(owner: &str, n: i64) -> String {
    format!("{owner}/{n}")
}
pub(super) fn place<'a>(table: &'static str, key: &'a str, column: &'static str) -> Place<'a> {
    Place { table, key, column }
}

/// Column `cancel` of `im_operation`.
pub(super) fn cancel_number(cancel: Option<Cancel>) -> i64 {
    match cancel {
        None => 0,
        Some(Cancel::Unwind) => 1,
        Some(Cancel::Abandon) => 2,
    }
}

/// What [`cancel_number`] made. A number of a newer version asks for at least what ours do.
pub(super) fn cancel_of(number: i64) -> Option<Cancel> {
    match number {
        0 => None,
        1 => Some(Cancel::Unwind),
        _ => Some(Cancel::Abandon),
    }
}

/// A request, sealed for its place.
pub(super) fn request(keys: &KeyRing, id: &OperationId, request: &Value) -> StoreResult<Vec<u8>> {
    keys.seal_json(operation_place(id, "request"), request)
}

/// Column `scope` of `im_log`.
pub(super) fn scope_number(scope: LogScope) -> i64 {
    match scope {
        LogScope::Infra => -1,
        LogScope::Vm(vm) => i64::from(vm.0),
    }
}

impl Prepared {
    pub(super) fn new(keys: &KeyRing, infra: &InfraId, writes: Vec<Write>) -> StoreResult<Self> {
        let mut prepared = Self::default();
        for write in writes {
            prepared.add(keys, infra, write)?;
        }
        for (body, json) in &mut prepared.events {
            *json = to_json(body)?;
        }
        Ok(prepared)
    }

    /// Whether users would say that the infrastructure was saved.
    pub(super) fn saves(&self) -> bool {
        self.document.is_some() || !self.vms.is_empty()
    }

    fn add(&mut self, keys: &KeyRing, infra: &InfraId, write: Write) -> StoreResult<()> {
        match write {
            Write::Infrastructure(row) => {
                same(infra, &row.id)?;
                self.document = Some(document(keys, &row)?);
            }
            Write::Vm(row) => self.vms.push(vm(keys, infra, &row)?),
            Write::Resource(row) => {
                same(infra, &row.infra)?;
                self.resources.push(resource(keys, &row)?);
            }
            Write::NewOperation(row) => {
                same(infra, &row.infra)?;
                self.operations
                    .push(OperationWrite::New(Box::new(operation(keys, &row)?)));
            }
            Write::OperationState { id, state, error } => {
                let error = seal_error(keys, &id, error.as_deref())?;
                self.operations.push(OperationWrite::State { id, state, error });
            }
            Write::Cancel { id } => self.operations.push(OperationWrite::Cancel(id)),
            Write::Resolved { id, resolved } => {
                let sealed = keys.seal_json(operation_place(&id, "resolved"), &*resolved)?;
                self.operations.push(OperationWrite::Resolved(id, sealed));
            }
            Write::Planned { id, plan } => {
                let (sealed, steps) = seal_plan(keys, &id, &plan)?;
                self.operations.push(OperationWrite::Planned(id, sealed, steps));
            }
            Write::Request { id, request } => {
                let sealed = keys.seal_json(operation_place(&id, "request"), &*request)?;
                self.operations.push(OperationWrite::Request(id, sealed));
            }
            Write::Searched { key } => self.searched.push(key.as_str().to_owned()),
            Write::DropRequests => self.drop_requests = true,
            Write::Step(event) => self.steps.push(step(event)?),
            Write::Log { scope, text } => self.log(scope, text),
            Write::Event(body) => self.events.push((body, Vec::new())),
            Write::ClearLog { scope } => {
                self.logs.retain(|(other, _)| *other != scope);
                self.cleared.insert(scope);
            }
            Write::Blob { id, text } => {
                let sealed = keys.seal(place("im_blob", id.as_str(), "text"), text.as_bytes())?;
                self.blobs.push((id.as_str().to_owned(), sealed));
            }
        }
        Ok(())
    }

    /// Adds to a log, in the row before where that is of the same log and nothing came in between.
    fn log(&mut self, scope: LogScope, text: String) {
        let last = self.events.len().checked_sub(1);
        if let Some(&(of, at)) = self.logs.last()
            && of == scope
            && Some(at) == last
            && let Some((EventBody::Log { text: before, .. }, _)) = self.events.last_mut()
        {
            before.push_str(&text);
            return;
        }
        self.logs.push((scope, self.events.len()));
        self.events.push((EventBody::Log { scope, text }, Vec::new()));
    }
}

fn same(infra: &InfraId, of_row: &InfraId) -> StoreResult<()> {
    if infra == of_row {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "a row of infrastructure {of_row} in a commit of {infra}"
    )))
}

fn to_json<T: serde::Serialize>(value: &T) -> StoreResult<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| StoreError::Refused(format!("cannot be encoded: {e}")))
}

fn document(keys: &KeyRing, row: &Infrastructure) -> StoreResult<Document> {
    let names: BTreeSet<&str> = row
        .owners
        .lines
        .iter()
        .map(|line| line.plain("username"))
        .filter(|n| !n.is_empty())
        .collect();
    let owners = Zeroizing::new(to_json(&row.owners)?);
    Ok(Document {
        owners: keys.seal(document_place(&row.id, "owners"), &owners)?,
        owners_tag: keys.owners_tag(&owners)?,
        doc: keys.seal_json(document_place(&row.id, "doc"), row)?,
        names: names
            .into_iter()
            .map(|name| keys.name_tag(name))
            .collect::<StoreResult<_>>()?,
        deleted: row.deleted,
    })
}

fn vm(keys: &KeyRing, infra: &InfraId, row: &Vm) -> StoreResult<(u32, Vec<u8>)> {
    let key = vm_key(infra, row.id.0);
    Ok((row.id.0, keys.seal_json(vm_place(&key), row)?))
}

fn resource(keys: &KeyRing, row: &Resource) -> StoreResult<(String, String, Vec<u8>)> {
    let sealed = keys.seal_json(resource_place(row.key.as_str()), row)?;
    Ok((row.key.as_str().to_owned(), word(&row.state)?, sealed))
}

/// The word by which an enum is serialised: the same in rows and on the wire.
fn word<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => Ok(word),
        _ => Err(StoreError::Refused("a state that is not a word".to_owned())),
    }
}

/// The row of a new operation. One that is final already keeps nothing that only a replay needs.
pub(super) fn operation(keys: &KeyRing, row: &Operation) -> StoreResult<OperationRow> {
    let id = &row.id;
    let keep = !row.state.is_final();
    let (plan, steps) = match &row.plan {
        Some(plan) => seal_plan(keys, id, plan).map(|(sealed, steps)| (Some(sealed), steps))?,
        None => (None, 0),
    };
    let sealed = |column, value: Option<&Value>| {
        value
            .filter(|_| keep)
            .map(|v| keys.seal_json(operation_place(id, column), v))
            .transpose()
    };
    Ok(OperationRow {
        id: id.clone(),
        kind: row.kind.as_str(),
        plan_format: row.plan_format,
        state: row.state,
        cancel: cancel_number(row.cancel),
        created: row.created,
        steps,
        error: seal_error(keys, id, row.error.as_deref())?,
        request: sealed("request", Some(&*row.request))?,
        resolved: sealed("resolved", row.resolved.as_deref())?,
        plan: plan.filter(|_| keep),
    })
}

fn seal_plan(keys: &KeyRing, id: &OperationId, plan: &Plan) -> StoreResult<(Vec<u8>, i64)> {
    let steps = i64::try_from(plan.steps.len()).unwrap_or(i64::MAX);
    Ok((keys.seal_json(operation_place(id, "plan"), plan)?, steps))
}

/// Errors repeat a cloud's own words, which may repeat what it was sent.
fn seal_error(keys: &KeyRing, id: &OperationId, error: Option<&str>) -> StoreResult<Option<Vec<u8>>> {
    error
        .map(|text| keys.seal(operation_place(id, "error"), text.as_bytes()))
        .transpose()
}

fn step(event: StepEvent) -> StoreResult<StepRow> {
    let (kind, attempt, body) = match event.kind {
        StepEventKind::Started { attempt } => (StepKind::Started, attempt, None),
        StepEventKind::Succeeded { output } => (StepKind::Succeeded, 0, Some(to_json(&*output)?)),
        StepEventKind::Failed { failure, attempt, last } => {
            let kind = if last { StepKind::FailedLast } else { StepKind::Failed };
            (kind, attempt, Some(to_json(&failure)?))
        }
        StepEventKind::Skipped => (StepKind::Skipped, 0, None),
        StepEventKind::Undone => (StepKind::Undone, 0, None),
    };
    Ok(StepRow {
        operation: event.operation,
        step: event.step.0,
        kind,
        attempt,
        body,
    })
}
