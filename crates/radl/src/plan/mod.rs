//! What a document means, before anything is done: machines, networks, steps and what each cloud has to give; and
//! what changes if it is added to an infrastructure that exists.
//!
//! Never contacts a cloud: what only a cloud can tell (flavors, prices, which image) is not in it. Never holds a
//! secret.

mod change;
mod dot;
mod svg;
mod table;

pub use change::{Difference, FeatureChange, MachineChange, PartChange, RunningVm, What, difference};

use crate::{ContextPlan, Diagnostic, Document, Number, Op, System, outports};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a document means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The infrastructure's name.
    pub name: Option<String>,
    /// Its machines, by system and cloud, in the order of their launch; systems that nobody deploys come last.
    pub machines: Vec<Machines>,
    /// Its networks.
    pub networks: Vec<PlannedNetwork>,
    /// What configuration does, in its order. None: nothing.
    pub steps: Vec<Step>,
    /// What each cloud has to give.
    pub clouds: Vec<CloudShare>,
    /// Machines that run Ansible, brought by the user.
    pub ansible_hosts: Vec<String>,
}

/// Machines of one kind at one cloud.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machines {
    /// Their system.
    pub system: String,
    /// How many.
    pub count: usize,
    /// The cloud that was named; else the service chooses.
    pub cloud: Option<String>,
    /// Processors of each.
    pub cpus: Option<Number>,
    /// Memory of each, in bytes.
    pub memory: Option<i64>,
    /// GPUs of each.
    pub gpus: Option<i64>,
    /// The cloud's own name of such a machine.
    pub instance_type: Option<String>,
    /// Images that it may boot from; without one the service chooses.
    pub images: Vec<String>,
    /// Availability zone.
    pub zone: Option<String>,
    /// Whether the cloud may take it away at any time.
    pub spot: bool,
    /// Size of the boot disk in bytes, if said.
    pub boot_disk: Option<i64>,
    /// Data disks of each.
    pub disks: Vec<PlannedDisk>,
    /// Interfaces.
    pub interfaces: Vec<PlannedInterface>,
    /// Ansible roles, collections and packages that are installed.
    pub applications: Vec<String>,
}

/// A data disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedDisk {
    /// Its size in bytes.
    pub size: Option<i64>,
    /// A volume or image that is attached.
    pub volume: Option<String>,
    /// Where it is mounted.
    pub mount_path: Option<String>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedInterface {
    /// Its network.
    pub network: String,
    /// Its address, if one was asked for.
    pub ip: Option<String>,
    /// DNS names that are registered or known inside; `#N#` stands for the machine's number.
    pub names: Vec<String>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedNetwork {
    /// Its id.
    pub id: String,
    /// Whether its addresses are public.
    pub public: bool,
    /// The cloud's own name of it.
    pub provider_id: Option<String>,
    /// Whether it is made.
    pub create: bool,
    /// Its addresses.
    pub cidr: Option<String>,
    /// Ports that are open, as written.
    pub open: Vec<String>,
    /// Systems on it.
    pub systems: Vec<String>,
}

/// What runs at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number.
    pub number: i64,
    /// What runs.
    pub items: Vec<StepItem>,
}

/// A recipe on the machines of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepItem {
    /// The system.
    pub system: String,
    /// The recipe.
    pub configure: String,
    /// Whether cloud-init runs it while the machine boots.
    #[serde(default)]
    pub cloud_init: bool,
}

/// What one cloud has to give.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CloudShare {
    /// Its id; none for what the service places by itself.
    pub cloud: Option<String>,
    /// Machines.
    pub machines: usize,
    /// Processors, the least.
    pub cpus: f64,
    /// Bytes of memory, the least.
    pub memory: i64,
    /// GPUs.
    pub gpus: i64,
    /// Volumes for data.
    pub volumes: usize,
    /// Bytes of these volumes.
    pub volume_bytes: i64,
    /// Public addresses.
    pub public_addresses: usize,
    /// Networks it makes or lends.
    pub networks: Vec<String>,
    /// Systems whose machines go to the same cloud, since they share a private network.
    pub together: Vec<Vec<String>>,
}

impl Plan {
    /// Of a document that was parsed and checked. Fails where the document's machines cannot be placed.
    pub fn of(document: &Document) -> Result<Self, Box<Diagnostic>> {
        Ok(Self {
            name: document.name().map(str::to_owned),
            machines: machines(document),
            networks: networks(document),
            steps: steps(document),
            clouds: clouds(document)?,
            ansible_hosts: document
                .ansible
                .iter()
                .filter_map(|host| host.features.text("host").map(str::to_owned))
                .collect(),
        })
    }

    /// How many machines there are.
    pub fn machine_count(&self) -> usize {
        self.machines.iter().map(|machines| machines.count).sum()
    }
}

fn machines(document: &Document) -> Vec<Machines> {
    let mut all: Vec<Machines> = Vec::new();
    for deploy in &document.deploys {
        let same = all
            .iter_mut()
            .find(|m| m.system == deploy.system && m.cloud == deploy.cloud);
        if let Some(same) = same {
            same.count = same.count.saturating_add(deploy.count());
        } else if let Some(system) = document.system(&deploy.system) {
            let cloud = deploy.cloud.clone();
            all.push(describe(system, deploy.count(), cloud));
        }
    }
    for system in &document.systems {
        if !system.reference && !all.iter().any(|machines| machines.system == system.name) {
            all.push(describe(system, 0, None));
        }
    }
    all
}

fn describe(system: &System, count: usize, cloud: Option<String>) -> Machines {
    let features = &system.features;
    let text = |name: &str| features.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    Machines {
        system: system.name.clone(),
        count,
        cloud,
        cpus: system.cpu_count(),
        memory: system.memory(),
        gpus: features.integer("gpu.count").filter(|count| *count > 0),
        instance_type: text("instance_type"),
        images: system.image_urls().into_iter().map(str::to_owned).collect(),
        zone: text("availability_zone"),
        spot: features.is_yes("spot"),
        boot_disk: features.bytes("disk.0.size").filter(|size| *size > 0),
        disks: system
            .data_disks()
            .map(|disk| PlannedDisk {
                size: disk.size,
                volume: disk.image_url.map(str::to_owned),
                mount_path: disk.mount_path.map(str::to_owned),
            })
            .collect(),
        interfaces: system
            .interfaces()
            .map(|interface| PlannedInterface {
                network: interface.connection.to_owned(),
                ip: interface.ip.map(str::to_owned),
                names: names(system, interface.n),
            })
            .collect(),
        applications: system
            .applications()
            .map(|application| match application.version {
                Some((Op::Eq, version)) => format!("{},{version}", application.name),
                Some((op, version)) => format!("{} {op} {version}", application.name),
                None => application.name.to_owned(),
            })
            .collect(),
    }
}

/// Names that were asked for, as written.
fn names(system: &System, interface: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let first = format!("net_interface.{interface}.dns.0.name");
    let short = format!("net_interface.{interface}.dns_name");
    let asked = system.features.text(&first).or_else(|| system.features.text(&short));
    let more = (1..).map_while(|n| system.features.text(&format!("net_interface.{interface}.dns.{n}.name")));
    let listed = format!("net_interface.{interface}.additional_dns_names");
    let listed = system.features.list(&listed).unwrap_or_default();
    for name in asked.into_iter().chain(more).chain(listed.iter().map(String::as_str)) {
        // Of a dynamic name, what stands before the `@` is its secret.
        let name = match name.split_once('@') {
            Some((secret, name)) if secret.starts_with("dydns:") => name,
            _ => name,
        };
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn networks(document: &Document) -> Vec<PlannedNetwork> {
    let on = |id: &str| {
        let systems = document.systems.iter().filter(|s| s.interface_on(id).is_some());
        systems.map(|s| s.name.clone()).collect()
    };
    document
        .networks
        .iter()
        .map(|network| PlannedNetwork {
            id: network.id.clone(),
            public: network.is_public(),
            provider_id: network.provider_id().map(str::to_owned),
            create: network.features.is_yes("create"),
            cidr: network.features.text("cidr").map(str::to_owned),
            open: network
                .features
                .text("outports")
                .unwrap_or_default()
                .split(',')
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect(),
            systems: on(&network.id),
        })
        .collect()
}

fn steps(document: &Document) -> Vec<Step> {
    let mut by_number: BTreeMap<i64, Vec<StepItem>> = BTreeMap::new();
    if let ContextPlan::Items(items) = document.effective_items() {
        for item in items {
            // Such a machine is left alone.
            if document.is_context_disabled(&item.configure) {
                continue;
            }
            by_number.entry(item.step).or_default().push(StepItem {
                system: item.system,
                configure: item.configure,
                cloud_init: item.cloud_init,
            });
        }
    }
    by_number
        .into_iter()
        .map(|(number, items)| Step { number, items })
        .collect()
}

#[allow(clippy::cast_precision_loss)] // Counts of machines.
fn clouds(document: &Document) -> Result<Vec<CloudShare>, Box<Diagnostic>> {
    let mut shares: Vec<CloudShare> = Vec::new();
    for group in document.groups(&BTreeMap::new())? {
        let known = shares.iter().position(|share| share.cloud == group.cloud);
        let at = known.unwrap_or_else(|| {
            shares.push(CloudShare {
                cloud: group.cloud.clone(),
                ..CloudShare::default()
            });
            shares.len() - 1
        });
        let share = &mut shares[at];
        let mut together: Vec<String> = Vec::new();
        for (index, count) in &group.deploys {
            let Some(system) = document.deploys.get(*index).and_then(|d| document.system(&d.system)) else {
                continue;
            };
            if *count > 0 && !together.contains(&system.name) {
                together.push(system.name.clone());
            }
            let of_one = describe(system, 1, None);
            let each = i64::try_from(*count).unwrap_or(i64::MAX);
            share.machines += count;
            share.cpus += of_one.cpus.map_or(0.0, Number::as_f64) * *count as f64;
            let add = |sum: i64, one: Option<i64>| sum.saturating_add(one.unwrap_or(0).saturating_mul(each));
            share.memory = add(share.memory, of_one.memory);
            share.gpus = add(share.gpus, of_one.gpus);
            for disk in of_one.disks.iter().filter(|disk| disk.volume.is_none()) {
                share.volumes += count;
                share.volume_bytes = add(share.volume_bytes, disk.size);
            }
            for interface in &of_one.interfaces {
                if document.is_public_network(&interface.network) {
                    share.public_addresses += count;
                }
                if *count > 0 && !share.networks.contains(&interface.network) {
                    share.networks.push(interface.network.clone());
                }
            }
        }
        if together.len() > 1 {
            share.together.push(together);
        }
    }
    shares.retain(|share| share.machines > 0);
    Ok(shares)
}

/// A number of bytes, for people.
#[allow(clippy::cast_precision_loss)] // Shown with one digit after the point.
fn bytes(size: i64) -> String {
    const UNITS: [(&str, f64); 4] = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    const BINARY: [(&str, i64); 3] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)];
    if let Some((unit, factor)) = BINARY.iter().find(|(_, factor)| size >= *factor && size % factor == 0) {
        return format!("{} {unit}", size / factor);
    }
    for (unit, factor) in UNITS {
        let value = size as f64 / factor;
        if value >= 1.0 {
            let text = format!("{value:.1}");
            return format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text));
        }
    }
    format!("{size} B")
}

/// A number for people: whole ones without a point.
fn amount(number: Number) -> String {
    match number {
        Number::Int(int) => int.to_string(),
        Number::Float(float) => float.to_string(),
    }
}

impl PlannedNetwork {
    /// What is open, for people: `80/tcp`, `80->8080/tcp`, `1000-1010/udp from 10.0.0.0/8`. What is no port is as written.
    fn open_for_people(&self) -> Vec<String> {
        self.open
            .iter()
            .flat_map(|entry| match outports::parse_outports(entry) {
                Ok(ports) => ports.iter().map(port_text).collect(),
                Err(_) => vec![entry.clone()],
            })
            .collect()
    }
}

fn port_text(port: &outports::OutPort) -> String {
    let side = |ports: outports::PortRange| match (ports.first, ports.last) {
        // As Kubernetes is asked to choose one.
        (0, 0) => "any".to_owned(),
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    let (remote, local) = (side(port.remote), side(port.local));
    let way = if remote == local {
        remote
    } else {
        format!("{remote}->{local}")
    };
    let from = if port.is_open() {
        String::new()
    } else {
        format!(" from {}", port.cidr)
    };
    format!("{way}/{}{from}", port.protocol)
}

/// `1 machine`, `2 machines`.
fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The lines that say what a machine is, for graphs.
fn lines(machines: &Machines) -> Vec<String> {
    let mut lines = Vec::new();
    let mut size: Vec<String> = Vec::new();
    if let Some(cpus) = machines.cpus {
        size.push(format!("{} CPU", amount(cpus)));
    }
    if let Some(memory) = machines.memory {
        size.push(bytes(memory));
    }
    if let Some(gpus) = machines.gpus {
        size.push(format!("{gpus} GPU"));
    }
    if let Some(kind) = &machines.instance_type {
        size.push(kind.clone());
    }
    if !size.is_empty() {
        lines.push(size.join(", "));
    }
    if let Some(image) = machines.images.first() {
        lines.push(image.clone());
    }
    if let Some(size) = machines.boot_disk {
        lines.push(format!("boot {}", bytes(size)));
    }
    for disk in &machines.disks {
        lines.push(disk_text(disk));
    }
    let cloud = machines.cloud.as_ref().map(|cloud| format!("at {cloud}"));
    let zone = machines.zone.as_ref().map(|zone| format!("zone {zone}"));
    let spot = machines.spot.then(|| "spot".to_owned());
    let place: Vec<String> = cloud.into_iter().chain(zone).chain(spot).collect();
    if !place.is_empty() {
        lines.push(place.join(", "));
    }
    lines
}

fn disk_text(disk: &PlannedDisk) -> String {
    let what = match (disk.size, &disk.volume) {
        (_, Some(volume)) => volume.clone(),
        (Some(size), None) => bytes(size),
        (None, None) => "disk".to_owned(),
    };
    match &disk.mount_path {
        Some(path) => format!("{what} at {path}"),
        None => what,
    }
}
