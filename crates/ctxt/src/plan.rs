//! Who takes part and who is the master. Pure.

use crate::{
    Node,
    node::{is_disabled, networks_of},
};
use im_model::VmId;
use im_radl::{ContextPlan, Document};

/// What the header log says, whole, when nothing is configured.
pub const DISABLED: &str = "Contextualization disabled by the RADL/TOSCA template.\n\n";

/// What the log of a VM says, whole, when only that VM is not configured.
pub const DISABLED_VM: &str = "Contextualization disabled";

/// Which VMs a run configures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contextualization {
    /// None: all are configured at once, and the header log is [`DISABLED`].
    Disabled,
    /// These.
    Enabled {
        /// They take part.
        vms: Vec<VmId>,
        /// Their systems have an empty configure: configured at once, with [`DISABLED_VM`] as their log.
        skipped: Vec<VmId>,
    },
}

/// Which of these VMs a run configures.
pub fn contextualization(document: &Document, nodes: &[Node]) -> Contextualization {
    match document.effective_items() {
        ContextPlan::Disabled => return Contextualization::Disabled,
        // Without `contextualize` there may be no configure at all: the built-in steps run all the same.
        ContextPlan::Items(items) if !items.is_empty() && items.iter().all(|i| i.cloud_init) => {
            return Contextualization::Disabled;
        }
        ContextPlan::Items(_) => {}
    }
    let (skipped, vms): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| is_disabled(document, node));
    if vms.is_empty() && !skipped.is_empty() {
        return Contextualization::Disabled;
    }
    let ids = |nodes: Vec<&Node>| nodes.into_iter().map(|node| node.id).collect();
    Contextualization::Enabled {
        vms: ids(vms),
        skipped: ids(skipped),
    }
}

/// The VM that runs Ansible: the present one while it is among the nodes; else, of those that take part, run Linux and
/// can be reached from outside, the one that sees most others, the first of equals. Where none can be reached from
/// outside, the service may still be inside: then any that takes part and runs Linux will do.
pub fn choose_master(document: &Document, nodes: &[Node], present: Option<VmId>) -> Option<VmId> {
    if let Some(id) = present.filter(|id| nodes.iter().any(|node| node.id == *id)) {
        return Some(id);
    }
    let may = |node: &&Node| !is_disabled(document, node) && node.os().eq_ignore_ascii_case("linux");
    let outside = nodes.iter().any(|node| may(&node) && node.reachable);
    let seen = |one: &Node| nodes.iter().filter(|other| connected(one, other)).count();
    let mut best: Option<(usize, VmId)> = None;
    for node in nodes.iter().filter(|node| may(node) && (node.reachable || !outside)) {
        let count = seen(node);
        if best.is_none_or(|(most, _)| count > most) {
            best = Some((count, node.id));
        }
    }
    best.map(|(_, id)| id)
}

fn connected(one: &Node, other: &Node) -> bool {
    (one.public_ip.is_some() && other.public_ip.is_some())
        || networks_of(one).any(|network| networks_of(other).any(|its| its == network))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::spec;

    const SYSTEMS: &str = "
network pub (outbound = 'yes')
network a ()
network b ()
system alone (net_interface.0.connection = 'pub')
system both (net_interface.0.connection = 'a' and net_interface.1.connection = 'pub')
system inside (net_interface.0.connection = 'a')
configure inside ()
";

    #[test]
    fn the_master_sees_most() {
        let spec = spec(
            SYSTEMS,
            &[
                ("alone", &["1.1.1.1"]),
                ("inside", &["10.0.0.1"]),
                ("both", &["10.0.0.2", "1.1.1.2"]),
                ("inside", &["10.0.0.3"]),
            ],
        );
        assert_eq!(choose_master(&spec.document, &spec.nodes, None), Some(VmId(2)));
        assert_eq!(choose_master(&spec.document, &spec.nodes, Some(VmId(0))), Some(VmId(0)));
        assert_eq!(choose_master(&spec.document, &spec.nodes, Some(VmId(9))), Some(VmId(2)));
        assert_eq!(choose_master(&spec.document, &[], None), None);
    }

    #[test]
    fn an_empty_configure_takes_its_vms_out() {
        let spec_of = |more: &str| spec(&format!("{SYSTEMS}{more}"), &[("alone", &["1.1.1.1"]), ("inside", &[])]);
        let now = spec_of("");
        assert_eq!(
            contextualization(&now.document, &now.nodes),
            Contextualization::Enabled {
                vms: vec![VmId(0)],
                skipped: vec![VmId(1)]
            }
        );
        let now = spec_of("contextualize ()");
        assert_eq!(
            contextualization(&now.document, &now.nodes),
            Contextualization::Disabled
        );
        assert_eq!(
            contextualization(&now.document, &now.nodes[1..]),
            Contextualization::Disabled
        );
    }
}
