//! The layers of the workspace: which crate may depend on which.
//!
//! Edges point downward only. Crates of one layer do not see each other,
//! except along the few edges named in [`WITHIN`]. Crates for development are
//! seen by tests alone.

use serde::Deserialize;

/// The layers, lowest first. Backends, `clouds/<family>`, are layer 2.
const LAYERS: &[(&str, Layer)] = &[
    ("im-radl", Layer::Pure),
    ("im-tosca", Layer::Pure),
    ("im-model", Layer::Pure),
    ("im-config", Layer::Pure),
    ("im-cloud", Layer::Mechanism),
    ("im-store", Layer::Mechanism),
    ("im-ops", Layer::Mechanism),
    ("im-ctxt", Layer::Mechanism),
    ("im-auth", Layer::Mechanism),
    ("im-service", Layer::Application),
    ("im-api", Layer::Edge),
    ("im", Layer::Binary),
    ("im-testkit", Layer::Development),
    ("im-bench", Layer::Development),
    ("xtask", Layer::Development),
];

/// Edges inside a layer, from and to.
const WITHIN: &[(&str, &str)] = &[
    ("im-tosca", "im-radl"),
    ("im-model", "im-radl"),
    ("im-config", "im-model"),
    ("im-ops", "im-store"),
    ("im-ops", "im-cloud"),
    ("im-ctxt", "im-cloud"),
];

/// What a backend may see besides the pure layer: never durable operations, the
/// store, or contextualization.
const SEEN_BY_BACKENDS: &[&str] = &["im-cloud", "im-auth"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Pure,
    Mechanism,
    Backend,
    Application,
    Edge,
    Binary,
    Development,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

impl Package {
    /// Name of the package with each of its dependencies that are built into it or run to build it; those for tests are
    /// not.
    pub(crate) fn linked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.dependencies
            .iter()
            .filter(|d| d.kind.as_deref() != Some("dev"))
            .map(|d| (self.name.as_str(), d.name.as_str()))
    }
}

/// Reads what `cargo metadata --no-deps` prints.
pub(crate) fn parse(metadata: &str) -> Result<Vec<Package>, String> {
    let metadata: Metadata = serde_json::from_str(metadata)
        .map_err(|error| format!("cargo metadata printed what cannot be read: {error}"))?;
    Ok(metadata.packages)
}

/// A finding for each edge that is not allowed and each crate that has no layer.
pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(from) = layer(&package.name) else {
            findings.push(format!("{}: has no layer: name it in xtask/src/edges.rs", package.name));
            continue;
        };
        // Only crates of this workspace are taken by their path.
        for dependency in package.dependencies.iter().filter(|d| d.path.is_some()) {
            let Some(to) = layer(&dependency.name) else {
                continue; // reported once, as a package
            };
            let for_tests = dependency.kind.as_deref() == Some("dev");
            if let Some(reason) = refused(&package.name, from, &dependency.name, to, for_tests) {
                findings.push(format!("{} -> {}: {reason}", package.name, dependency.name));
            }
        }
    }
    findings
}

fn layer(name: &str) -> Option<Layer> {
    if name.starts_with("im-cloud-") {
        return Some(Layer::Backend);
    }
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// Why the edge is not allowed, or nothing when it is.
fn refused(from: &str, above: Layer, to: &str, below: Layer, for_tests: bool) -> Option<&'static str> {
    if below == Layer::Development {
        let allowed = for_tests || above == Layer::Development;
        return (!allowed).then_some("a crate for development may only be a dev-dependency");
    }
    if above == Layer::Development {
        return None;
    }
    // The binary's tests start the whole service; a test of a lower crate still
    // must not reach up, or the lower crate cannot be understood alone.
    if below > above {
        return Some("points upward");
    }
    match (above, below) {
        (Layer::Backend, Layer::Backend) => Some("families of clouds never see each other"),
        (Layer::Backend, Layer::Mechanism) if !SEEN_BY_BACKENDS.contains(&to) => {
            Some("a backend sees the pure layer and the connector trait, not this mechanism")
        }
        // Tests need some cloud; `Dummy` is one that needs nothing.
        (Layer::Application | Layer::Edge, Layer::Backend) if !for_tests => {
            Some("only the binary names concrete clouds")
        }
        _ if above == below && !WITHIN.contains(&(from, to)) => Some("crates of one layer do not see each other"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        check(&[Package {
            name: from.to_owned(),
            dependencies: vec![Dependency {
                name: to.to_owned(),
                kind: kind.map(str::to_owned),
                path: Some(String::new()),
            }],
        }])
    }

    #[test]
    fn edges_downward_are_allowed() {
        for (from, to) in [
            ("im", "im-cloud-docker"),
            ("im", "im-api"),
            ("im-api", "im-service"),
            ("im-api", "im-radl"),
            ("im-service", "im-ops"),
            ("im-cloud-docker", "im-cloud"),
            ("im-cloud-docker", "im-model"),
            ("im-ops", "im-store"),
            ("im-model", "im-radl"),
            ("im-testkit", "im-service"),
        ] {
            assert_eq!(findings(from, to, None), Vec::<String>::new(), "{from} -> {to}");
        }
    }

    #[test]
    fn edges_upward_and_sideways_are_found() {
        for (from, to, reason) in [
            ("im-radl", "im-model", "one layer"),
            ("im-model", "im-cloud", "upward"),
            ("im-store", "im-ops", "one layer"),
            ("im-cloud", "im-cloud-docker", "upward"),
            ("im-cloud-docker", "im-cloud-local", "families"),
            ("im-cloud-docker", "im-store", "a backend"),
            ("im-service", "im-cloud-docker", "concrete clouds"),
            ("im-api", "im-cloud-docker", "concrete clouds"),
            ("im-service", "im-api", "upward"),
            ("im-api", "im", "upward"),
            ("im-service", "im-testkit", "dev-dependency"),
            ("im", "xtask", "dev-dependency"),
        ] {
            let found = findings(from, to, None);
            assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
            assert!(found[0].contains(reason), "{from} -> {to}: {found:?}");
        }
    }

    #[test]
    fn tests_may_use_crates_for_development_but_not_reach_up() {
        assert!(findings("im-cloud-docker", "im-testkit", Some("dev")).is_empty());
        assert_eq!(findings("im-store", "im-service", Some("dev")).len(), 1);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        assert_eq!(findings("im-new", "serde", None).len(), 1);
    }

    #[test]
    fn metadata_is_read() {
        let packages = parse(
            r#"{"packages":[{"name":"im-radl","version":"0.1.0","dependencies":[
                {"name":"im-model","kind":null,"path":"/x"},{"name":"serde","kind":null}]}]}"#,
        )
        .unwrap();
        assert_eq!(check(&packages).len(), 1);
        assert!(parse("{").is_err());
    }
}
