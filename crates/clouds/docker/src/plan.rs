//! From a launch request and what was read of the daemon to the containers, networks and volumes to create. Pure.

use crate::{
    image, names,
    ports::Taken,
    resolve::{Resolved, mounted_disks},
    spec::{Attached, Mount, NetworkSpec, VmSpec, VolumeSpec},
};
use im_cloud::{CloudError, Draw, ErrorKind, LaunchPlan, LaunchRequest, VmPlan, VmRequest, WantedResource};
use im_model::ResourceKind;
use im_radl::{Features, System};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Length of drawn passwords.
const PASSWORD: usize = 16;
/// Networks of every daemon, on which names cannot be given.
const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

pub(crate) fn plan(request: &LaunchRequest, resolved: &Value, draw: &mut dyn Draw) -> Result<LaunchPlan, CloudError> {
    let resolved: Resolved = serde::Deserialize::deserialize(resolved).map_err(|e| {
        CloudError::not_applied(
            ErrorKind::Invalid,
            format!("what was read of the daemon cannot be read back: {e}"),
        )
    })?;
    let mut planner = Planner {
        request,
        resolved: &resolved,
        taken: Taken::new(resolved.ports.iter().copied()),
        shared: Vec::new(),
        draw,
    };
    let vms = request.vms.iter().map(|vm| planner.vm(vm)).collect::<Result<_, _>>()?;
    Ok(LaunchPlan {
        shared: planner.shared,
        vms,
    })
}

struct Planner<'a> {
    request: &'a LaunchRequest,
    resolved: &'a Resolved,
    taken: Taken,
    shared: Vec<WantedResource>,
    draw: &'a mut dyn Draw,
}

fn resource(kind: ResourceKind, name: &str, spec: &impl Serialize) -> Result<WantedResource, CloudError> {
    let spec = serde_json::to_value(spec)
        .map_err(|e| CloudError::not_applied(ErrorKind::Invalid, format!("the request cannot be encoded: {e}")))?;
    Ok(WantedResource {
        kind,
        name: name.to_owned(),
        spec: Arc::new(spec),
        after: Vec::new(),
    })
}

fn reference(kind: ResourceKind, name: &str) -> String {
    format!("@id:{kind}/{name}")
}

fn invalid(message: String) -> CloudError {
    CloudError::not_applied(ErrorKind::Invalid, message)
}

impl Planner<'_> {
    /// A resource of the infrastructure, made by this plan or already there; answers the reference to its id.
    fn share(&mut self, kind: ResourceKind, name: &str, spec: &impl Serialize) -> Result<String, CloudError> {
        let same = |k: ResourceKind, n: &str| k == kind && n == name;
        let there = self.request.existing.iter().any(|(k, n)| same(*k, n));
        if !there && !self.shared.iter().any(|r| same(r.kind, &r.name)) {
            self.shared.push(resource(kind, name, spec)?);
        }
        Ok(reference(kind, name))
    }

    fn vm(&mut self, vm: &VmRequest) -> Result<VmPlan, CloudError> {
        let system = &*vm.system;
        let id = vm.vm;
        let infra = &self.request.infra;
        let url = system.image_urls().first().copied().unwrap_or_default();
        let image = image::reference(url).ok_or_else(|| {
            invalid(format!(
                "system {} has no image of the form docker://name[:tag]",
                system.name
            ))
        })?;

        let mut own = BTreeMap::new();
        let mut resources = Vec::new();
        let networks = self.networks(vm, &mut own)?;
        let mounts = self.mounts(vm, &mut resources, &mut own)?;
        let ports = self
            .taken
            .of_vm(&self.request.document, system, &self.resolved.access, self.draw);
        if ports.published.iter().any(|port| port.host.is_empty()) {
            return Err(CloudError::not_applied(
                ErrorKind::Exhausted,
                "no port of the daemon's host is left to publish",
            ));
        }
        let is_public = |id: &str| self.request.document.is_public_network(id);
        let has_public = system.interfaces().any(|i| is_public(i.connection));
        let name = system.requested_name(id, 0);
        let (hostname, domainname) = name.map_or_else(
            || (format!("vnode-{id}"), "localdomain".to_owned()),
            |name| (kernel_name(&name.host), kernel_name(&name.domain)),
        );
        let memory = system.memory().filter(|bytes| *bytes > 0);
        let spec = VmSpec {
            name: names::container(infra, &system.name, id),
            vm: id.0,
            image: image.to_owned(),
            start: self.resolved.images.get(image).cloned(),
            hostname,
            domainname,
            memory,
            nano_cpus: nano_cpus(&system.features, self.resolved.cpus),
            env: self.log_in(system, &mut own),
            labels: self.tags(),
            mounts,
            privileged: system.features.is_yes("docker.privileged"),
            expose: ports.expose.into_iter().collect(),
            ports: ports.published,
            publish: self.resolved.access.publish.clone(),
            networks,
            public: has_public.then_some(self.resolved.access.public),
            kept: ports.kept,
        };
        own.extend(spec.outports(&vec![0; spec.ports.len()]));
        resources.push(resource(ResourceKind::Vm, &id.to_string(), &spec)?);
        Ok(VmPlan { vm: id, resources, own })
    }

    /// The Docker networks of a VM: one per private network, each once. One that the user named and that is there is
    /// used and stays whatever happens; the others are ours.
    fn networks(&mut self, vm: &VmRequest, own: &mut BTreeMap<String, Value>) -> Result<Vec<Attached>, CloudError> {
        let mut attached: Vec<Attached> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for interface in vm.system.interfaces() {
            let id = interface.connection;
            let network = self.request.document.network(id);
            if network.is_some_and(im_radl::Network::is_public) {
                continue;
            }
            let given = network
                .and_then(im_radl::Network::provider_id)
                .filter(|p| !p.is_empty());
            let name = given.map_or_else(|| names::network(&self.request.infra, id), str::to_owned);
            own.insert(format!("network.{id}.provider_id"), json!(name));
            let aliases = aliases(vm, interface.n);
            if let Some(at) = names.iter().position(|n| *n == name) {
                // A second RADL network, or a second interface, on the same Docker network.
                let same = &mut attached[at];
                if !same.radl.iter().any(|r| r == id) {
                    same.radl.push(id.to_owned());
                }
                let new = aliases
                    .into_iter()
                    .filter(|a| !same.aliases.contains(a))
                    .collect::<Vec<_>>();
                if !PREDEFINED.contains(&name.as_str()) {
                    same.aliases.extend(new);
                }
                continue;
            }
            let ours = self
                .request
                .existing
                .iter()
                .any(|(k, n)| *k == ResourceKind::Network && n == id);
            let theirs = self.resolved.networks.get(&name).filter(|_| given.is_some() && !ours);
            let cloud_id = match theirs {
                Some(theirs) => theirs.clone(),
                None => self.share(ResourceKind::Network, id, &NetworkSpec { name: name.clone() })?,
            };
            attached.push(Attached {
                id: cloud_id,
                radl: vec![id.to_owned()],
                aliases: if PREDEFINED.contains(&name.as_str()) {
                    Vec::new()
                } else {
                    aliases
                },
            });
            names.push(name);
        }
        Ok(attached)
    }

    /// Volumes and host folders of a VM. A volume with a name is the infrastructure's, one without is the VM's.
    fn mounts(
        &mut self,
        vm: &VmRequest,
        resources: &mut Vec<WantedResource>,
        own: &mut BTreeMap<String, Value>,
    ) -> Result<Vec<Mount>, CloudError> {
        let mut mounts = Vec::new();
        for (n, device, target) in mounted_disks(&vm.system) {
            let target = if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/{target}")
            };
            let driver = driver(vm.system.features.text(&format!("disk.{n}.fstype")));
            let (bind, source) = match device {
                Some(path) if path.starts_with('/') => (true, path.to_owned()),
                Some(name) if self.resolved.volumes.contains(name) && !self.has_volume(name) => {
                    (false, name.to_owned())
                }
                Some(name) => {
                    own.insert(format!("disk.{n}.created"), json!("yes"));
                    let spec = VolumeSpec {
                        name: name.to_owned(),
                        driver,
                    };
                    (false, self.share(ResourceKind::Volume, name, &spec)?)
                }
                None => {
                    let name = names::volume(&self.request.infra, vm.vm, n);
                    own.insert(format!("disk.{n}.device"), json!(name));
                    own.insert(format!("disk.{n}.created"), json!("yes"));
                    let spec = VolumeSpec {
                        name: name.clone(),
                        driver,
                    };
                    resources.push(resource(ResourceKind::Volume, &name, &spec)?);
                    (false, reference(ResourceKind::Volume, &name))
                }
            };
            mounts.push(Mount { bind, source, target });
        }
        Ok(mounts)
    }

    fn has_volume(&self, name: &str) -> bool {
        self.request
            .existing
            .iter()
            .any(|(k, n)| *k == ResourceKind::Volume && n == name)
    }

    /// Environment that sets the log-in: the password given, or one drawn for this VM alone.
    fn log_in(&mut self, system: &System, own: &mut BTreeMap<String, Value>) -> BTreeMap<String, String> {
        let given = system.credentials();
        let password = given.password.filter(|p| !p.is_empty()).map_or_else(
            || {
                let drawn = self.draw.alphanumeric(PASSWORD);
                own.insert("disk.0.os.credentials.password".to_owned(), json!(drawn));
                drawn
            },
            str::to_owned,
        );
        let key = given.public_key.filter(|k| !k.is_empty());
        let key = key.map(|k| ("IM_AUTHORIZED_KEY".to_owned(), k.trim().to_owned()));
        [("IM_ROOT_PASSWORD".to_owned(), password)]
            .into_iter()
            .chain(key)
            .collect()
    }

    /// Tags as labels; what begins like ours is left out.
    fn tags(&self) -> BTreeMap<String, String> {
        let tags = self.request.tags.iter();
        tags.filter(|(name, _)| !name.is_empty() && !name.starts_with(names::PREFIX))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// A name as kernels accept it for a machine. Nodes are told their full one when they are configured.
fn kernel_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let fit = name.chars().take(63).map(|c| if fits(c) { c } else { '-' });
    fit.collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// Names of an interface on its network: those asked for, and of the first interface always.
fn aliases(vm: &VmRequest, interface: usize) -> Vec<String> {
    let mut aliases = Vec::new();
    let more = vm.system.additional_names(vm.vm, interface);
    for name in vm.system.requested_name(vm.vm, interface).into_iter().chain(more) {
        for alias in [name.host.clone(), name.fqdn()] {
            if !alias.is_empty() && !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
    }
    aliases
}

/// The share of the processors; none where all of them or more are asked for, which no daemon accepts.
fn nano_cpus(features: &Features, cpus: i64) -> Option<i64> {
    let count = features.number("cpu.count")?;
    if !(count.as_f64() > 0.0 && (cpus <= 0 || count.as_f64() < f64::from(u32::try_from(cpus).unwrap_or(u32::MAX)))) {
        return None;
    }
    // The least that a daemon accepts is a hundredth.
    Some(count.scaled(1_000_000_000, 1).as_i64().max(10_000_000))
}

/// The driver of a volume: what `fstype` says, unless it is a file system, which Docker's volumes have none of.
fn driver(fstype: Option<&str>) -> String {
    const FILE_SYSTEMS: [&str; 10] = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "vfat", "ntfs", "swap", "f2fs",
    ];
    match fstype {
        Some(name) if !name.is_empty() && !FILE_SYSTEMS.contains(&name) => name.to_owned(),
        _ => "local".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access::Access, image::Start, spec::PublicAddress};
    use im_model::VmId;

    struct Letters(u32);
    impl Draw for Letters {
        fn alphanumeric(&mut self, len: usize) -> String {
            self.0 += 1;
            format!("{:0>len$}", self.0)
        }
        fn below(&mut self, bound: u32) -> u32 {
            self.0 += 7;
            self.0 % bound
        }
    }

    fn resolved(public: PublicAddress) -> Resolved {
        Resolved {
            cpus: 2,
            access: Access {
                publish: "127.0.0.1".to_owned(),
                public,
            },
            images: BTreeMap::from([("node:1".to_owned(), Start::Image)]),
            ports: [8080].into(),
            networks: BTreeMap::from([("office".to_owned(), "id-of-office".to_owned())]),
            volumes: ["archive".to_owned()].into(),
        }
    }

    fn plan_of(text: &str, count: u32, public: PublicAddress, existing: &[(ResourceKind, &str)]) -> LaunchPlan {
        let parsed = im_radl::parse(text);
        assert!(parsed.is_ok(), "{:?}", parsed.diagnostics);
        let system = Arc::new(parsed.document.systems[0].clone());
        let vms = (0..count).map(|n| VmRequest {
            vm: VmId(n),
            system: Arc::clone(&system),
        });
        let request = LaunchRequest {
            infra: "inf".into(),
            document: Arc::new(parsed.document.clone()),
            vms: vms.collect(),
            tags: BTreeMap::from([("team".into(), "a".into()), ("im.mark".into(), "forged".into())]),
            existing: existing.iter().map(|(k, n)| (*k, (*n).to_owned())).collect(),
        };
        let resolved = serde_json::to_value(resolved(public)).unwrap();
        plan(&request, &resolved, &mut Letters(0)).unwrap()
    }

    fn spec_of(plan: &LaunchPlan, vm: usize) -> VmSpec {
        let resource = plan.vms[vm]
            .resources
            .iter()
            .find(|r| r.kind == ResourceKind::Vm)
            .unwrap();
        serde_json::from_value((*resource.spec).clone()).unwrap()
    }

    fn shared(plan: &LaunchPlan) -> Vec<(ResourceKind, &str)> {
        plan.shared.iter().map(|r| (r.kind, r.name.as_str())).collect()
    }

    const CLUSTER: &str = "
        network public (outbound = 'yes' and outports = '8080/tcp-80/tcp,22-22')
        network private ()
        network office (provider_id = 'office')
        network named (provider_id = 'ours')
        system node (
          cpu.count = 1.5 and memory.size = 512m and disk.0.image.url = 'docker://node:1' and
          net_interface.0.connection = 'private' and net_interface.0.dns_name = 'node-#N#.cluster' and
          net_interface.1.connection = 'office' and net_interface.2.connection = 'named' and
          net_interface.3.connection = 'public' and
          disk.1.mount_path = 'data' and disk.2.mount_path = '/a' and disk.2.device = 'archive' and
          disk.3.mount_path = '/b' and disk.3.device = 'work' and disk.3.fstype = 'ext4' and
          disk.4.mount_path = '/c' and disk.4.device = '/srv'
        )";

    #[test]
    fn what_the_user_named_and_is_there_is_used_and_not_made() {
        let plan = plan_of(CLUSTER, 2, PublicAddress::Own, &[]);
        assert_eq!(
            shared(&plan),
            [
                (ResourceKind::Network, "private"),
                (ResourceKind::Network, "named"),
                (ResourceKind::Volume, "work")
            ]
        );
        assert_eq!(plan.shared[1].spec["name"], "ours");
        assert_eq!(plan.shared[2].spec["driver"], "local");
        let spec = spec_of(&plan, 1);
        let networks: Vec<_> = spec.networks.iter().map(|n| n.id.as_str()).collect();
        assert_eq!(networks, ["@id:network/private", "id-of-office", "@id:network/named"]);
        assert_eq!(spec.networks[0].aliases, ["node-1", "node-1.cluster"]);
        assert_eq!(
            (spec.hostname.as_str(), spec.domainname.as_str()),
            ("node-1", "cluster")
        );
        let mounts: Vec<_> = spec
            .mounts
            .iter()
            .map(|m| (m.bind, m.source.as_str(), m.target.as_str()))
            .collect();
        assert_eq!(
            mounts,
            [
                (false, "@id:volume/im_inf_vm1-disk1", "/data"),
                (false, "archive", "/a"),
                (false, "@id:volume/work", "/b"),
                (true, "/srv", "/c")
            ]
        );
        let own = &plan.vms[1].own;
        assert_eq!(own["disk.1.created"], "yes");
        assert_eq!(own["network.private.provider_id"], "im_inf_private");
        assert!(!own.contains_key("disk.2.created"));
        let later = plan_of(CLUSTER, 1, PublicAddress::Own, &shared(&plan));
        assert_eq!(later.shared, []);
        assert_eq!(spec_of(&later, 0).networks[0].id, "@id:network/private");
    }

    #[test]
    fn passwords_are_drawn_per_vm_and_ports_are_free() {
        let plan = plan_of(CLUSTER, 2, PublicAddress::Own, &[]);
        let password = |vm: usize| plan.vms[vm].own["disk.0.os.credentials.password"].clone();
        assert_ne!(password(0), password(1));
        assert_eq!(spec_of(&plan, 0).env["IM_ROOT_PASSWORD"], password(0).as_str().unwrap());
        // 8080 is taken, and 22 needs no publishing where the container is reached directly.
        let outports =
            |plan: &LaunchPlan, vm: usize| plan.vms[vm].own["network.public.outports"].as_str().unwrap().to_owned();
        assert!(outports(&plan, 0).ends_with("/tcp-80/tcp"));
        assert!(!outports(&plan, 0).contains("8080") && !outports(&plan, 0).contains("22"));
        assert_ne!(outports(&plan, 0), outports(&plan, 1));
        let mapped = plan_of(CLUSTER, 1, PublicAddress::Host, &[]);
        assert!(
            outports(&mapped, 0).split(',').any(|e| e.ends_with("/tcp-22/tcp")),
            "{}",
            outports(&mapped, 0)
        );
    }

    #[test]
    fn the_body_holds_the_mark_and_no_tag_that_looks_like_it() {
        let spec = spec_of(&plan_of(CLUSTER, 1, PublicAddress::Own, &[]), 0);
        let body = spec.body("inf", "the mark", &Start::Image, &vec![0; spec.ports.len()]);
        assert_eq!(body["Labels"]["im.mark"], "the mark");
        assert_eq!(body["Labels"]["team"], "a");
        assert_eq!(body["HostConfig"]["NanoCpus"], 1_500_000_000);
        assert_eq!(body["HostConfig"]["Memory"], 512_000_000);
        assert_eq!(body["HostConfig"]["NetworkMode"], "@id:network/private");
        assert_eq!(body["HostConfig"]["PortBindings"]["80/tcp"][0]["HostIp"], "127.0.0.1");
        assert!(body.get("Cmd").is_none());
        let own = spec.body("inf", "m", &Start::Own(vec!["sshd".into()]), &vec![0; spec.ports.len()]);
        assert_eq!(
            (&own["Cmd"], &own["Entrypoint"][0]),
            (&json!(["sshd"]), &json!("/bin/sh"))
        );
    }

    #[test]
    fn processors() {
        let cpus = |text: &str, of: i64| {
            let parsed = im_radl::parse(&format!("system s (cpu.count = {text})")).document;
            nano_cpus(&parsed.systems[0].features, of)
        };
        assert_eq!(cpus("1", 2), Some(1_000_000_000));
        assert_eq!(cpus("0.5", 2), Some(500_000_000));
        assert_eq!(cpus("2", 2), None);
        assert_eq!(cpus("64", 2), None);
        assert_eq!(kernel_name("a_b.-"), "a-b");
    }
}
