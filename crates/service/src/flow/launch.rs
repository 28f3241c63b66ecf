//! Create and add: which cloud, which images, which resources, which rows.

use super::{Flow, scope::Scope, steps::Planner, stuck};
use crate::{
    connectors::Cloud,
    draw,
    request::{Launch, Request},
    select::{self, Offers},
    states::Next,
};
use futures::future::join_all;
use im_cloud::{LaunchRequest, VmRequest};
use im_model::{Account, CloudRef, ResourceState, Supports, Unit, VmId};
use im_ops::{Job, Planned, StepError};
use im_radl::{Diagnostic, Document, System};
use im_store::InfraState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What was read and drawn before a launch was planned.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Resolved {
    /// What random values are drawn from.
    pub(super) seed: String,
    /// The clouds that are used.
    pub(super) clouds: Vec<CloudPart>,
    /// Per deploy of VMs, where it goes and as what.
    pub(super) deploys: Vec<DeployPart>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CloudPart {
    pub(super) cloud: Arc<CloudRef>,
    pub(super) account: Option<Account>,
    pub(super) answer: Value,
    /// Why nothing can be launched there.
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeployPart {
    pub(super) system: String,
    pub(super) count: u32,
    /// Position in `clouds`.
    pub(super) cloud: usize,
    pub(super) concrete: Option<Arc<System>>,
    /// Why none of its VMs can be launched.
    pub(super) error: Option<String>,
}

fn sentence(diagnostics: &[Diagnostic]) -> StepError {
    StepError::failed(im_radl::first_error(diagnostics).unwrap_or_else(|| "the document is not acceptable".to_owned()))
}

impl Resolved {
    /// Ids of the VMs of each deploy, in order.
    pub(super) fn ids(&self, first: u32) -> Vec<Vec<VmId>> {
        let mut next = first;
        let ids = |deploy: &DeployPart| {
            let ids = (next..next.saturating_add(deploy.count)).map(VmId).collect();
            next = next.saturating_add(deploy.count);
            ids
        };
        self.deploys.iter().map(ids).collect()
    }

    /// What a cloud is asked for: everything of this launch that goes there, at once.
    pub(super) fn request(
        &self,
        flow: &Flow,
        user: &str,
        document: &Arc<Document>,
        state: &InfraState,
        cloud: usize,
    ) -> LaunchRequest {
        let ids = self.ids(state.infra.next_vm);
        let mine = self
            .deploys
            .iter()
            .zip(&ids)
            .filter(|(d, _)| d.cloud == cloud && d.error.is_none());
        let vms = mine.flat_map(|(deploy, ids)| {
            let system = deploy.concrete.clone().unwrap_or_default();
            ids.iter().map(move |vm| VmRequest {
                vm: *vm,
                system: system.clone(),
            })
        });
        let part = &self.clouds[cloud];
        let shared = state.resources.values().filter(|r| r.unit == Unit::Infra);
        let here = shared.filter(|r| r.cloud == part.cloud && Some(&r.account) == part.account.as_ref());
        LaunchRequest {
            infra: state.infra.id.clone(),
            document: document.clone(),
            vms: vms.collect(),
            tags: flow.tags(user, state.infra.id.as_str()),
            existing: here
                .filter(|r| r.state == ResourceState::Created)
                .map(|r| (r.kind, r.name.clone()))
                .collect(),
        }
    }
}

impl Flow {
    fn tags(&self, user: &str, infra: &str) -> BTreeMap<String, String> {
        let names = &self.options.tags;
        let pairs = [
            (&names.username, user),
            (&names.infra, infra),
            (&names.url, self.options.url.as_str()),
            (&names.im, "es.upv.grycap.im"),
        ];
        let set = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.clone()?, value.to_owned())));
        set.filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .collect()
    }

    /// The infrastructure's document with the request's added, and the request's with its references replaced.
    fn merged(&self, launch: &Launch, state: &InfraState) -> Result<(Document, Document), StepError> {
        let sent = self.documents.read(&launch.radl).map_err(|why| stuck(&why))?;
        let stored = self.document(state)?;
        let complete = sent.completed(&stored).map_err(|d| sentence(&d))?;
        let merged = sent.merge_into(&stored).map_err(|d| sentence(&d))?;
        Ok((complete, merged))
    }

    /// Which cloud gets what, and what the clouds say to that.
    pub(super) async fn resolve_launch(
        &self,
        job: &Job,
        request: &Request,
        launch: &Launch,
        state: &InfraState,
    ) -> Result<Value, StepError> {
        let (sent, merged) = self.merged(launch, state)?;
        let seed = draw::seed().ok_or_else(|| StepError::temporary("the system gives no random numbers"))?;
        let mut resolved = Resolved {
            seed,
            clouds: Vec::new(),
            deploys: Vec::new(),
        };
        if sent.vm_count() > 0 {
            let merged = Arc::new(Document {
                deploys: sent.deploys.clone(),
                ..merged
            });
            let clouds = self
                .connectors
                .clouds(&request.credentials)
                .map_err(|e| StepError::failed(e.to_string()))?;
            self.place(&mut resolved, &merged, state, &clouds, job).await?;
            self.ask(&mut resolved, request, &merged, state, &clouds, job).await;
        }
        serde_json::to_value(resolved).map_err(|e| StepError::failed(e.to_string()))
    }

    /// Fills in where each deploy goes.
    async fn place(
        &self,
        resolved: &mut Resolved,
        document: &Document,
        state: &InfraState,
        clouds: &[Cloud],
        job: &Job,
    ) -> Result<(), StepError> {
        let groups = document
            .groups(&state.infra.private_networks)
            .map_err(|d| StepError::failed(d.line_message()))?;
        let offers = self.offers(document, clouds, job).await?;
        let ids: Vec<&str> = clouds.iter().map(|c| c.cloud.id.as_str()).collect();
        let mut homes: HashMap<usize, usize> = HashMap::new();
        for group in &groups {
            // VMs that share nothing are groups of one; those of one deploy all choose alike.
            if group.networks.is_empty() && group.deploys.iter().all(|(d, _)| homes.contains_key(d)) {
                continue;
            }
            let chosen = select::choose(document, group, &ids, &offers).map_err(StepError::failed)?;
            homes.extend(group.deploys.iter().map(|(deploy, _)| (*deploy, chosen)));
        }
        let mut used: Vec<usize> = Vec::new();
        for (position, deploy) in document.deploys.iter().enumerate() {
            let (Some(home), count @ 1..) = (homes.get(&position).copied(), deploy.count()) else {
                continue;
            };
            let cloud = used.iter().position(|u| *u == home).unwrap_or_else(|| {
                used.push(home);
                used.len() - 1
            });
            let offer = offers.get(&(home, deploy.system.clone()));
            let error = match offer {
                None => Some(format!(
                    "Error, no concrete system to deploy: {} in cloud: {}. Check if a correct image is being used",
                    deploy.system, ids[home]
                )),
                Some(o)
                    if o.system
                        .features
                        .text("disk.0.os.credentials.username")
                        .is_none_or(str::is_empty) =>
                {
                    Some(format!("No username for deploy: {}", deploy.system))
                }
                Some(_) => None,
            };
            resolved.deploys.push(DeployPart {
                system: deploy.system.clone(),
                count: u32::try_from(count).unwrap_or(u32::MAX),
                cloud,
                concrete: offer.map(|o| Arc::new(o.system.clone())),
                error,
            });
        }
        resolved.clouds = used
            .into_iter()
            .map(|position| CloudPart {
                cloud: clouds[position].cloud.clone(),
                account: None,
                answer: Value::Null,
                error: None,
            })
            .collect();
        Ok(())
    }

    /// The best that each cloud offers for each system that is deployed.
    async fn offers(&self, document: &Document, clouds: &[Cloud], job: &Job) -> Result<Offers, StepError> {
        let mut offers = Offers::new();
        let mut names: Vec<&str> = document.deploys.iter().map(|d| d.system.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for asked in names.into_iter().filter_map(|name| document.system(name)) {
            let offered = select::offered(asked, &self.options);
            let softly = |f: &im_radl::Features| f.softs().iter().any(|s| s.features.contains("disk.0.image.url"));
            let has_image = !offered.image_urls().is_empty() || softly(&offered.features);
            let mut problems = Vec::new();
            let before = offers.len();
            for (position, cloud) in clouds.iter().enumerate() {
                let system = if has_image {
                    offered.clone()
                } else {
                    match self.with_image(cloud, &offered, job).await {
                        Ok(Some(system)) => system,
                        Ok(None) => continue,
                        Err(why) => {
                            problems.push(format!("Error getting images from cloud: {} ({why})", cloud.cloud.id));
                            continue;
                        }
                    }
                };
                let candidates = cloud.connector.candidates(&cloud.cloud, &system);
                if let Some(offer) = select::best(candidates, asked) {
                    offers.insert((position, asked.name.clone()), offer);
                }
            }
            if !has_image && offers.len() == before {
                let mut message = format!("No VMI obtained from Sites to system '{}'", asked.name);
                if !problems.is_empty() {
                    message = format!("{message}: {}", problems.join("\n"));
                }
                return Err(StepError::failed(message));
            }
        }
        Ok(offers)
    }

    /// A system that names no image gets the first one that a cloud lists for its operating system. A cloud that has
    /// nothing outside needs none.
    async fn with_image(&self, cloud: &Cloud, system: &System, job: &Job) -> Result<Option<System>, String> {
        if let Supports::No(why) = cloud.connector.capability().images {
            if !self.connectors.has_outside(&cloud.cloud.kind) {
                return Ok(Some(system.clone()));
            }
            return Err(why.to_owned());
        }
        let cx = cloud.cx(&job.operation.infra, &self.deployment, None, self.options.call_deadline);
        let filter = |key: &str, feature: &str| {
            let value = system.features.text(feature)?;
            Some((key.to_owned(), value.to_owned()))
        };
        let filters = [
            filter("distribution", "disk.0.os.flavour"),
            filter("version", "disk.0.os.version"),
        ];
        let filters = filters.into_iter().flatten().collect();
        let images = cloud.connector.images(&cx, &filters).await.map_err(|e| e.message)?;
        Ok(images.into_iter().next().map(|(uri, _)| {
            let mut system = system.clone();
            system.features.set_text("disk.0.image.url", uri);
            system
        }))
    }

    /// Asks each cloud that is used who we are there and what planning needs to know.
    async fn ask(
        &self,
        resolved: &mut Resolved,
        request: &Request,
        document: &Arc<Document>,
        state: &InfraState,
        clouds: &[Cloud],
        job: &Job,
    ) {
        let parts = resolved.clouds.len();
        let answers = (0..parts).map(|part| {
            let wanted = &resolved.clouds[part].cloud;
            let cloud = clouds.iter().find(|c| c.cloud == *wanted);
            let mut launch = resolved.request(self, &request.user, document, state, part);
            async move {
                let cloud = cloud.ok_or_else(|| "No cloud provider available".to_owned())?;
                cloud
                    .connector
                    .check_auth(&cloud.cloud, &cloud.auth)
                    .map_err(|e| e.message)?;
                let cx = cloud.cx(&job.operation.infra, &self.deployment, None, self.options.call_deadline);
                let account = cloud.connector.account(&cx).await.map_err(|e| e.message)?;
                let shared = state.resources.values().filter(|r| r.unit == Unit::Infra);
                launch.existing = shared
                    .filter(|r| r.cloud == cloud.cloud && r.account == account && r.state == ResourceState::Created)
                    .map(|r| (r.kind, r.name.clone()))
                    .collect();
                let cx = cloud.cx(
                    &job.operation.infra,
                    &self.deployment,
                    Some(account.clone()),
                    self.options.call_deadline,
                );
                let answer = cloud.connector.resolve(&cx, &launch).await.map_err(|e| e.message)?;
                Ok::<_, String>((account, answer))
            }
        });
        let answers: Vec<_> = join_all(answers).await;
        for (part, answer) in resolved.clouds.iter_mut().zip(answers) {
            match answer {
                Ok((account, answer)) => {
                    part.account = Some(account);
                    part.answer = answer;
                }
                Err(why) => part.error = Some(why),
            }
        }
    }

    /// Rows and steps.
    pub(super) fn plan_launch(
        &self,
        job: &Job,
        launch: &Launch,
        resolved: &Value,
        state: &InfraState,
    ) -> Result<Planned, StepError> {
        let resolved =
            Resolved::deserialize(resolved).map_err(|e| stuck(&format!("what was resolved cannot be read: {e}")))?;
        let (sent, merged) = self.merged(launch, state)?;
        let radl: Arc<str> = im_radl::print(&merged).into();
        let document = Arc::new(Document {
            deploys: sent.deploys,
            ..merged
        });
        let mut planner = Planner {
            flow: self,
            job,
            launch,
            resolved: &resolved,
            state,
            scope: Scope::new(&document, &self.connectors),
            next: Next::new(state),
            writes: Vec::new(),
            steps: Vec::new(),
        };
        planner.rows(&document);
        for cloud in 0..resolved.clouds.len() {
            planner.cloud(&document, cloud);
        }
        let mut infra = (*state.infra).clone();
        infra.radl = radl;
        infra.failed = false;
        let count = resolved.deploys.iter().fold(0u32, |n, d| n.saturating_add(d.count));
        infra.next_vm = infra.next_vm.saturating_add(count);
        for (deploy, part) in resolved.deploys.iter().map(|d| (d, &resolved.clouds[d.cloud])) {
            if let Some(system) = document.system(&deploy.system) {
                let private = system
                    .interfaces()
                    .filter(|i| !document.is_public_network(i.connection));
                for interface in private {
                    let home = infra.private_networks.entry(interface.connection.to_owned());
                    home.or_insert_with(|| part.cloud.id.clone());
                }
            }
        }
        if let Some(tosca) = &launch.tosca {
            tosca.keep(&mut infra);
        }
        planner.next.infra = Arc::new(infra);
        Ok(planner.finish())
    }
}
