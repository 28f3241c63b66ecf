//! A plan as tables of plain text.

use super::{CloudShare, Difference, Machines, Plan, What, amount, bytes, count, disk_text};
use std::fmt::{self, Display, Formatter};

/// Rows of cells, the first of which is the head.
struct Table(Vec<Vec<String>>);

impl Table {
    fn new<const N: usize>(head: [&str; N]) -> Self {
        Self(vec![head.iter().map(|&cell| cell.to_owned()).collect()])
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.push(cells.into());
    }
}

impl Display for Table {
    /// Columns without anything but their head are left out; so are blanks at line ends.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.0.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|n| {
                let cells = || self.0.iter().filter_map(move |row| row.get(n));
                if cells().skip(1).all(String::is_empty) {
                    return 0;
                }
                cells().map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths).filter(|(_, width)| **width > 0) {
                line.push_str("  ");
                line.push_str(cell);
                let gap = width - cell.chars().count();
                line.extend(std::iter::repeat_n(' ', gap));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn number(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn machines_row(machines: &Machines) -> [String; 10] {
    let disks = machines
        .boot_disk
        .map(|size| format!("boot {}", bytes(size)))
        .into_iter()
        .chain(machines.disks.iter().map(disk_text));
    let networks = machines.interfaces.iter().map(|interface| {
        let details: Vec<&str> = interface
            .ip
            .iter()
            .chain(&interface.names)
            .map(String::as_str)
            .collect();
        if details.is_empty() {
            interface.network.clone()
        } else {
            format!("{} ({})", interface.network, details.join(", "))
        }
    });
    let zone = machines.zone.as_ref().map(|zone| format!("zone {zone}"));
    let spot = machines.spot.then(|| "spot".to_owned());
    let cloud: Vec<String> = machines.cloud.clone().into_iter().chain(zone).chain(spot).collect();
    [
        machines.system.clone(),
        machines.count.to_string(),
        machines.cpus.map(amount).unwrap_or_default(),
        machines.memory.map(bytes).unwrap_or_default(),
        number(machines.gpus),
        machines.instance_type.clone().unwrap_or_default(),
        disks.collect::<Vec<_>>().join(", "),
        networks.collect::<Vec<_>>().join(", "),
        machines.images.join(", "),
        cloud.join(" "),
    ]
}

#[allow(clippy::cast_possible_truncation)] // A whole number is printed as one.
fn cpus(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{}", value as i64)
    } else {
        format!("{value}")
    }
}

fn cloud_row(share: &CloudShare) -> [String; 9] {
    let positive = |number: i64, text: fn(i64) -> String| if number > 0 { text(number) } else { String::new() };
    let some = |number: i64| positive(number, |number| number.to_string());
    let size = |number: i64| positive(number, bytes);
    let volumes = if share.volumes == 0 {
        String::new()
    } else {
        format!("{} ({})", share.volumes, bytes(share.volume_bytes))
    };
    let together: Vec<String> = share.together.iter().map(|group| group.join(" + ")).collect();
    [
        share.cloud.clone().unwrap_or_else(|| "(chosen)".to_owned()),
        share.machines.to_string(),
        if share.cpus > 0.0 {
            cpus(share.cpus)
        } else {
            String::new()
        },
        size(share.memory),
        some(share.gpus),
        volumes,
        some(i64::try_from(share.public_addresses).unwrap_or(i64::MAX)),
        share.networks.join(", "),
        together.join(", "),
    ]
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        let recipes = self.steps.iter().map(|step| step.items.len()).sum();
        write!(
            f,
            "{}, {}, ",
            count(self.machine_count(), "machine"),
            count(self.networks.len(), "network"),
        )?;
        match recipes {
            0 => writeln!(f, "no recipes")?,
            _ => writeln!(f, "{} in {}", count(recipes, "recipe"), count(self.steps.len(), "step"))?,
        }
        if !self.machines.is_empty() {
            let mut table = Table::new([
                "SYSTEM", "COUNT", "CPU", "MEMORY", "GPU", "TYPE", "DISKS", "NETWORKS", "IMAGE", "CLOUD",
            ]);
            self.machines.iter().for_each(|m| table.row(machines_row(m)));
            write!(f, "\nMachines\n{table}")?;
        }
        if !self.networks.is_empty() {
            let mut table = Table::new(["NETWORK", "KIND", "OPEN", "ADDRESSES", "AT THE CLOUD", "SYSTEMS"]);
            for network in &self.networks {
                let kind = if network.public { "public" } else { "private" };
                let made = if network.create { "created" } else { "" };
                let at = network.provider_id.as_deref().unwrap_or(made);
                table.row([
                    network.id.clone(),
                    kind.to_owned(),
                    network.open_for_people().join(", "),
                    network.cidr.clone().unwrap_or_default(),
                    at.to_owned(),
                    network.systems.join(", "),
                ]);
            }
            write!(f, "\nNetworks\n{table}")?;
        }
        if self.steps.is_empty() {
            writeln!(f, "\nNothing is configured")?;
        } else {
            let mut table = Table::new(["STEP", "RECIPE", "SYSTEM", "BY"]);
            for step in &self.steps {
                for item in &step.items {
                    let by = if item.cloud_init { "cloud-init" } else { "" };
                    table.row([
                        step.number.to_string(),
                        item.configure.clone(),
                        item.system.clone(),
                        by.to_owned(),
                    ]);
                }
            }
            write!(f, "\nConfiguration\n{table}")?;
            for host in &self.ansible_hosts {
                writeln!(f, "  Ansible runs on {host}")?;
            }
        }
        if !self.clouds.is_empty() {
            let mut table = Table::new([
                "CLOUD",
                "MACHINES",
                "CPU",
                "MEMORY",
                "GPU",
                "VOLUMES",
                "PUBLIC IPS",
                "NETWORKS",
                "TOGETHER",
            ]);
            self.clouds.iter().for_each(|share| table.row(cloud_row(share)));
            write!(f, "\nClouds\n{table}")?;
        }
        Ok(())
    }
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing changes");
        }
        for machines in &self.machines {
            let (sign, what) = match machines.what {
                What::Added => ('+', count(machines.count, "machine")),
                What::Removed => (
                    '-',
                    format!("{} {}", count(machines.count, "machine"), machines.vms.join(", ")),
                ),
                What::Changed | What::Kept => (' ', format!("{} kept", count(machines.count, "machine"))),
            };
            let cloud = machines.cloud.as_ref().map(|c| format!(" at {c}")).unwrap_or_default();
            writeln!(f, "{sign} {}: {what}{cloud}", machines.system)?;
        }
        let parts = [
            ("network", &self.networks),
            ("system", &self.systems),
            ("recipe", &self.recipes),
            ("step", &self.steps),
        ];
        for (kind, changes) in parts {
            for change in changes {
                let sign = match change.what {
                    What::Added => '+',
                    What::Removed => '-',
                    What::Changed => '~',
                    What::Kept => '=',
                };
                let note = change
                    .note
                    .as_ref()
                    .map(|note| format!(" ({note})"))
                    .unwrap_or_default();
                writeln!(f, "{sign} {kind} {}{note}", change.id)?;
                for feature in &change.features {
                    match (&feature.old, &feature.new) {
                        (Some(old), Some(new)) => writeln!(f, "    {old}  ->  {new}")?,
                        (Some(old), None) => writeln!(f, "  - {old}")?,
                        (None, Some(new)) => writeln!(f, "  + {new}")?,
                        (None, None) => {}
                    }
                }
            }
        }
        if self.reconfigure {
            writeln!(f, "then all machines are configured again")?;
        }
        Ok(())
    }
}
