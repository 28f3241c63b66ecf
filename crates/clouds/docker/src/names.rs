//! Names and labels: deterministic, and accepted by every daemon.

use im_model::{InfraId, Key};

/// The service's mark.
pub(crate) const MARK: &str = "im.mark";
/// The infrastructure, for filtering; only the mark proves anything.
pub(crate) const INFRA: &str = "im.infra";
/// Number of the VM, for people.
pub(crate) const VM: &str = "im.vm";
/// Which Docker network stands for which RADL network (JSON).
pub(crate) const NETWORKS: &str = "im.networks";
/// What stands for the container's public address.
pub(crate) const PUBLIC: &str = "im.public";
/// What of our labels begins with; tags may not.
pub(crate) const PREFIX: &str = "im.";

/// A text cut down to what names may hold. One that loses something gets a check sum, so that two texts that differ
/// never share a name.
fn clean(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.len() <= 64 && text.chars().all(fits) {
        return text.to_owned();
    }
    let kept: String = text.chars().take(40).map(|c| if fits(c) { c } else { '_' }).collect();
    format!("{kept}-{:08x}", checksum(text))
}

/// FNV-1a.
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// A private network of an infrastructure.
pub(crate) fn network(infra: &InfraId, network: &str) -> String {
    format!("im_{}_{}", clean(infra.as_str()), clean(network))
}

/// The bridge of a network. The daemon checks names of networks before it creates them, not while: two calls at once
/// make two. Of bridges there is one per name, so the key's own makes the network unique.
pub(crate) fn bridge(key: &Key) -> String {
    // The kernel allows 15 characters.
    format!("im-{}", key.as_str().chars().take(12).collect::<String>())
}

/// A VM's container.
pub(crate) fn container(infra: &InfraId, system: &str, vm: impl std::fmt::Display) -> String {
    format!("im_{}_{}-{vm}", clean(infra.as_str()), clean(system))
}

/// A VM's volume.
pub(crate) fn volume(infra: &InfraId, vm: impl std::fmt::Display, disk: usize) -> String {
    format!("im_{}_vm{vm}-disk{disk}", clean(infra.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_differ_where_texts_do() {
        let infra = InfraId::from("1f0c-22");
        assert_eq!(network(&infra, "private"), "im_1f0c-22_private");
        assert_eq!(container(&infra, "front", 0), "im_1f0c-22_front-0");
        assert_eq!(volume(&infra, 3, 1), "im_1f0c-22_vm3-disk1");
        assert_ne!(network(&infra, "a b"), network(&infra, "a_b"));
        assert_ne!(network(&infra, "a b"), network(&infra, "a/b"));
        let long = "x".repeat(300);
        assert!(network(&infra, &long).len() < 128);
        assert!(network(&infra, "ñ é").is_ascii());
    }
}
