//! The master: chosen, reached, prepared, given its files.

use super::{
    ctxt_failure, say,
    spec::{args, key_of},
    ssh_failure, store_failure,
};
use crate::{flow::Flow, materialize, states::Next};
use im_ctxt::{Ansible, KeyPair, Master, Node, bundle, choose_master, generate_key};
use im_model::VmId;
use im_ops::{RunCall, StepError};
use im_store::{InfraState, Write};
use serde_json::{Value, json};
use std::sync::Arc;

impl Flow {
    /// Chooses the master and waits until it lets us in; pending credentials become current ones.
    pub(super) async fn master(&self, call: &RunCall) -> Result<Value, StepError> {
        let args = args(call)?;
        say(&*call.sink, "Select master VM").await?;
        let state = call.sink.state().await.map_err(|e| store_failure(&e))?;
        let document = self.document(&state)?;
        let nodes: Vec<Node> = self.nodes(&state).await?.into_iter().filter(|node| node.up).collect();
        let chosen = choose_master(&document, &nodes, state.infra.context.master).ok_or_else(|| {
            StepError::failed(
                "Error: no VM can be the master: one is needed that runs, has Linux and is on a network with \
                 outbound = 'yes' or with a proxy_host.",
            )
        })?;
        let node = nodes
            .into_iter()
            .find(|node| node.id == chosen)
            .ok_or_else(|| StepError::failed("Error: the master VM is gone."))?;
        let key = self.remember_master(call, &state, chosen).await?;
        say(&*call.sink, "Wait master VM to have the SSH active.").await?;
        let mut master = Master::connect(&self.dial, &state.infra.id, node.access(Some(&key)), &self.options.ctxt)
            .await
            .map_err(|e| ssh_failure(&e))?;
        let im_ctxt::Changed {
            password,
            key: private_key,
        } = master.change_credentials().await.map_err(|e| ctxt_failure(&e))?;
        if password || private_key {
            let change = move |state: &InfraState| {
                let mut next = Next::new(state);
                if let Some(row) = state.vms.get(&chosen) {
                    let mut row = (**row).clone();
                    materialize::promote(&mut row.own, &node.features.features, password, private_key);
                    next.vms.insert(chosen, Arc::new(row));
                }
                next.writes()
            };
            let written = call.sink.update(Box::new(change)).await;
            written.map_err(|e| store_failure(&e))?;
        }
        self.masters.put(&state.infra.id, args.number, master);
        Ok(json!({ "master": chosen }))
    }

    /// Stores the choice and the infrastructure's key pair before either is used.
    async fn remember_master(&self, call: &RunCall, state: &InfraState, chosen: VmId) -> Result<KeyPair, StepError> {
        let known = key_of(&state.infra);
        if state.infra.context.master == Some(chosen)
            && let Some(key) = known
        {
            return Ok(key);
        }
        let key = match known {
            Some(key) => key,
            None => generate_key(&mut rand::rng()).map_err(|e| ctxt_failure(&e))?,
        };
        let stored = key.clone();
        let change = move |state: &InfraState| {
            let mut infra = (*state.infra).clone();
            infra.context.master = Some(chosen);
            infra.context.private_key = stored.private;
            infra.context.public_key = stored.public;
            vec![Write::Infrastructure(Arc::new(infra))]
        };
        let written = call.sink.update(Box::new(change)).await;
        written.map_err(|e| store_failure(&e))?;
        Ok(key)
    }

    /// Finds or installs Ansible.
    pub(super) async fn ansible(&self, call: &RunCall) -> Result<Value, StepError> {
        let spec = self.spec(call).await?;
        let mut master = self.connected(&spec).await?;
        say(&*call.sink, "Performing preliminary steps to configure Ansible.").await?;
        let (messages, mut said) = tokio::sync::mpsc::unbounded_channel::<String>();
        let ansible = {
            let mut log = move |message: &str| {
                // Nobody listens any more only when the step is given up.
                let _ = messages.send(message.to_owned());
            };
            let preparing = master.prepare(&spec, &mut log);
            tokio::pin!(preparing);
            loop {
                tokio::select! {
                    biased;
                    Some(message) = said.recv() => say(&*call.sink, &message).await?,
                    done = &mut preparing => break done,
                }
            }
        };
        while let Ok(message) = said.try_recv() {
            say(&*call.sink, &message).await?;
        }
        let ansible = ansible.map_err(|e| ctxt_failure(&e))?;
        say(&*call.sink, "Ansible successfully configured in the master VM.").await?;
        self.masters.put(&spec.infra, spec.number, master);
        serde_json::to_value(&ansible).map_err(|e| StepError::failed(e.to_string()))
    }

    /// Puts the files of the run on the master. Hands Ansible on to the next step.
    pub(super) async fn push(&self, call: &RunCall) -> Result<Value, StepError> {
        let ansible = handed_on(call)?;
        let spec = self.spec(call).await?;
        say(&*call.sink, "Creating and copying Ansible playbook files").await?;
        let (spec, files) = tokio::task::spawn_blocking(move || {
            let files = bundle(&spec);
            (spec, files)
        })
        .await
        .map_err(|e| StepError::temporary(e.to_string()))?;
        let files = files.map_err(|e| ctxt_failure(&e))?;
        for note in &files.notes {
            say(&*call.sink, note).await?;
        }
        let mut master = self.connected(&spec).await?;
        say(&*call.sink, "Copying YAML, hosts and inventory files.").await?;
        master.push(&files).await.map_err(|e| ctxt_failure(&e))?;
        self.masters.put(&spec.infra, spec.number, master);
        serde_json::to_value(&ansible).map_err(|e| StepError::failed(e.to_string()))
    }
}

/// What the step before found out about Ansible.
pub(super) fn handed_on(call: &RunCall) -> Result<Ansible, StepError> {
    let value = call.inputs.values().next();
    value
        .and_then(|value| serde_json::from_value((**value).clone()).ok())
        .ok_or_else(|| StepError::failed("the step before said nothing of Ansible"))
}
