//! The built-in playbook `main`: facts, hosts file, disks, applications. JSON, which is YAML.

use super::Parts;
use crate::CtxtError;
use im_radl::{Document, Features, System};
use serde_json::{Value, json};

/// One play for all VMs, so that facts are gathered and hosts files written in one process.
pub(super) fn main(parts: &Parts<'_>) -> Result<Value, CtxtError> {
    let dir = parts.spec.dir();
    let mut tasks = vec![json!({
        "name": "Install user requested apps",
        "ansible.builtin.debug": {"msg": "Install user requested apps"},
    })];
    let mut seen: Vec<&str> = Vec::new();
    for node in parts.active.iter().filter(|node| !node.is_windows()) {
        if seen.contains(&node.system.as_str()) {
            continue;
        }
        seen.push(&node.system);
        let requested = parts.spec.document.system(&node.system).unwrap_or(&node.features);
        let mut own = disks(&node.features.features, &dir);
        own.extend(applications(requested));
        if !own.is_empty() {
            tasks.push(json!({
                "name": format!("Disks and applications of {}", node.system),
                "when": format!("{} in group_names", serde_json::to_string(&node.system).map_err(|e| {
                    CtxtError::Unusable(format!("the name of a system cannot be written: {e}"))
                })?),
                "block": own,
            }));
        }
    }
    // A task that is always skipped costs as much as one that is not.
    let import = |name: &str| json!({"ansible.builtin.import_tasks": format!("{dir}/utils/tasks/{name}.yml")});
    let mut first = vec![import("hosts")];
    if parts.mentions("BEARER_TOKEN") || has_roles(&parts.spec.document) {
        first.push(import("token"));
    }
    Ok(json!([{
        "name": "Prepare the nodes",
        "hosts": "{{ IM_HOST }}",
        "strategy": "host_pinned",
        "gather_facts": true,
        "become": true,
        "vars": {"im_hosts_file": format!("{dir}/etc_hosts")},
        "pre_tasks": first,
        "tasks": tasks,
    }]))
}

/// Whether there are roles, which may refer to anything.
fn has_roles(document: &Document) -> bool {
    super::plan::galaxy(document).has_roles()
}

/// Disks beyond the first that are to be mounted.
fn disks(features: &Features, dir: &str) -> Vec<Value> {
    let mut tasks = Vec::new();
    for n in 1.. {
        let text = |name: &str| features.text(&format!("disk.{n}.{name}"));
        if !features.contains(&format!("disk.{n}.size")) && !features.contains(&format!("disk.{n}.image.url")) {
            break;
        }
        let (Some(device), Some(fstype)) = (text("device"), text("fstype")) else {
            continue;
        };
        let Some(mount) = text("mount_path").or((fstype == "swap").then_some("")) else {
            continue;
        };
        let device = device.strip_prefix("/dev/").unwrap_or(device);
        let letter = device.chars().last().unwrap_or('b').to_ascii_lowercase();
        let position = u32::from(letter).saturating_sub(u32::from('a'));
        tasks.push(json!({
            "name": format!("Disk {n}"),
            "ansible.builtin.include_tasks": format!("{dir}/utils/tasks/disk_format_mount.yml"),
            "vars": {"device": "/dev/{{ item.key }}", "mount_path": mount, "fstype": fstype},
            "with_dict": "{{ ansible_devices }}",
            "when": "item.key is match('.*d' ~ im_letter ~ '$') or item.key is match('nvme' ~ im_position ~ 'n1') \
                     or item.key == im_device or im_device in (item.value.links.ids | default([]))",
        }));
        if let Some(Value::Object(task)) = tasks.last_mut()
            && let Some(Value::Object(vars)) = task.get_mut("vars")
        {
            vars.insert("im_letter".to_owned(), json!(letter.to_string()));
            vars.insert("im_position".to_owned(), json!(position.to_string()));
            vars.insert("im_device".to_owned(), json!(device));
        }
    }
    tasks
}

/// Packages for the applications that are asked for and not in the image.
fn applications(requested: &System) -> Vec<Value> {
    let wanted = requested.features.groups("disk.0.applications");
    let names = wanted.filter_map(|application| {
        let name = application.text("name")?;
        let there = application.is_yes("preinstalled") || application.contains("path");
        (!name.starts_with("ansible.") && !there).then(|| name.rsplit('.').next().unwrap_or(name))
    });
    names
        .filter(|name| !name.is_empty())
        .map(|name| {
            json!({
                "name": format!("Package {name}"),
                "ansible.builtin.package": {"name": name, "state": "present"},
                "when": "ansible_pkg_mgr in ['apt', 'yum', 'dnf', 'dnf5']",
                "ignore_errors": true,
            })
        })
        .collect()
}
