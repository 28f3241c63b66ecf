//! Which systems this connector launches, and as what.

use crate::image;
use im_model::CloudRef;
use im_radl::{Feature, Interval, Op, System};

pub(crate) fn candidates(cloud: &CloudRef, system: &System) -> Vec<System> {
    let urls = system.image_urls();
    if urls.is_empty() {
        // Accepted as it is; its launch says what is missing.
        return vec![system.clone()];
    }
    let accepted = urls.into_iter().filter(|url| image::reference(url).is_some());
    accepted.map(|url| candidate(cloud, system, url)).collect()
}

fn candidate(cloud: &CloudRef, system: &System, url: &str) -> System {
    let mut system = system.clone();
    let features = &mut system.features;
    features.set_text("disk.0.image.url", url);
    features.set_text("provider.type", "Docker");
    if !cloud.server.is_empty() {
        features.set_text("provider.host", &cloud.server);
    }
    if let Some(port) = cloud.port {
        features.set_number("provider.port", i64::from(port), "");
    }
    for name in ["cpu.count", "memory.size"] {
        let end = match features.get(name) {
            Some(Feature::Number(interval)) => interval.read().cloned(),
            _ => None,
        };
        if let Some(end) = end {
            features.set(name, Feature::Number(Interval::new(Op::Eq, end.value, end.unit)));
        }
    }
    features.set_text("virtual_system_type", "docker");
    features.set_text("disk.0.os.credentials.username", "root");
    system
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_s_features_are_forced() {
        let cloud = CloudRef {
            id: "docker".into(),
            kind: "Docker".into(),
            server: "h".into(),
            port: Some(2376),
            protocol: "https".into(),
            path: String::new(),
            extra: std::collections::BTreeMap::new(),
        };
        let mut system = System::default();
        let memory = Interval::new(Op::Ge, 512.into(), "M");
        system.features.set("memory.size", Feature::Number(memory));
        assert_eq!(candidates(&cloud, &system), std::slice::from_ref(&system));
        let urls = ["one://h/1", "docker://a:1", "docker://b"].map(str::to_owned);
        system.features.set_list("disk.0.image.url", urls.to_vec());
        let found = candidates(&cloud, &system);
        let images: Vec<_> = found.iter().map(|s| s.features.text("disk.0.image.url")).collect();
        assert_eq!(images, [Some("docker://a:1"), Some("docker://b")]);
        let printed = found[0].to_string();
        for line in [
            "memory.size = 512M",
            "provider.host = 'h'",
            "provider.port = 2376",
            "virtual_system_type = 'docker'",
            "disk.0.os.credentials.username = 'root'",
        ] {
            assert!(printed.contains(line), "{line} in {printed}");
        }
        assert!(!printed.contains("password"));
    }
}
