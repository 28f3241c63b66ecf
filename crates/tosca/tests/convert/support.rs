//! Documents to templates to RADL, with files from memory or from the folder beside the repository.

use im_radl::{Diagnostic, Document};
use im_tosca::{
    ConvertContext, Converted, ExistingVm, Files, Limits, LoadOptions, Template, convert, draw_container_ids,
    functions::{Inputs, draw_inputs},
    load,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the real documents are, if they are there.
pub(crate) fn folder() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|above| above.join("..").join("shared").join("documents"))
        .find(|path| path.join("OUTCOMES.tsv").is_file())
}

/// What a URL stands for.
pub(crate) type Fetch<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// A document with all it needs.
pub(crate) struct Case {
    pub(crate) template: Template,
    pub(crate) files: Files,
    pub(crate) inputs: Inputs,
    pub(crate) container_ids: BTreeMap<String, String>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// A value that is drawn, always the same.
pub(crate) fn draw(length: usize) -> String {
    "abcdefgh12345678".chars().cycle().take(length).collect()
}

impl Case {
    /// Loads a document. Errors are answered as text.
    pub(crate) fn load(text: &str, mut files: Files, fetch: Fetch<'_>) -> Result<Self, String> {
        let options = LoadOptions {
            repository: Some(Arc::from(
                "https://raw.githubusercontent.com/grycap/tosca/main/templates/",
            )),
            ..LoadOptions::default()
        };
        let loaded = loop {
            let loaded = load(text, "document", &files, &options);
            if loaded.wanted.is_empty() {
                break loaded;
            }
            for wanted in &loaded.wanted {
                files.insert(
                    Arc::clone(&wanted.url),
                    fetch(&wanted.url).map(im_tosca::File::new).map_err(Arc::from),
                );
            }
        };
        let errors: Vec<String> = loaded
            .diagnostics
            .iter()
            .filter(|d| d.is_error())
            .map(told_with_hint)
            .collect();
        let Some(template) = loaded.template else {
            return Err(errors.join("\n"));
        };
        let inputs = draw_inputs(&template, &Inputs::new(), &mut draw, Some("the-token"));
        let container_ids = draw_container_ids(&template, &BTreeMap::new(), &mut draw);
        Ok(Self {
            template,
            files,
            inputs,
            container_ids,
            warnings: loaded.diagnostics,
        })
    }

    /// Converts, fetching what is asked for.
    pub(crate) fn convert(&mut self, existing: Option<&[ExistingVm]>, fetch: Fetch<'_>) -> Converted {
        loop {
            let context = ConvertContext {
                inputs: &self.inputs,
                container_ids: &self.container_ids,
                existing,
                limits: Limits::default(),
            };
            let converted = convert(&self.template, &self.files, &context);
            if converted.wanted.is_empty() {
                return converted;
            }
            for wanted in converted.wanted {
                let file = fetch(&wanted.url).map(im_tosca::File::new).map_err(Arc::from);
                self.files.insert(wanted.url, file);
            }
        }
    }
}

/// A finding with what to do about it.
pub(crate) fn told_with_hint(found: &Diagnostic) -> String {
    let hint = found
        .hint
        .as_deref()
        .map(|hint| format!(" [{hint}]"))
        .unwrap_or_default();
    format!("{}{hint}", told(found))
}

pub(crate) fn told(found: &Diagnostic) -> String {
    format!("{} {found}", found.code)
}

/// The document; panics with what was found if there is none.
pub(crate) fn document(converted: Converted) -> Document {
    let told: Vec<String> = converted.diagnostics.iter().map(told).collect();
    converted.document.unwrap_or_else(|| panic!("{}", told.join("\n")))
}

/// Files of the folder by URL.
pub(crate) fn fetch_shared(folder: &Path, url: &str) -> Option<String> {
    let tosca = folder.join("tosca");
    let types = tosca.join("types");
    let raw = "https://raw.githubusercontent.com/";
    let rest = url.strip_prefix(raw)?;
    let path = match rest {
        "grycap/tosca/main/custom_types.yaml" => types.join("grycap-main.custom_types.yaml"),
        "grycap/ec3/tosca/tosca/custom_types.yaml" => types.join("ec3-tosca-branch.custom_types.yaml"),
        "indigo-dc/tosca-types/master/custom_types.yaml" => types.join("indigo-master.custom_types.yaml"),
        "indigo-dc/tosca-types/devel/custom_types.yaml" => types.join("indigo-devel.custom_types.yaml"),
        "indigo-dc/tosca-types/v4.0.0/custom_types.yaml" => types.join("indigo-v4.0.0.custom_types.yaml"),
        rest => {
            let (folder, name) = if let Some(name) = rest.strip_prefix("grycap/tosca/main/artifacts/") {
                ("grycap-artifacts", name)
            } else {
                ("grycap-templates", rest.strip_prefix("grycap/tosca/main/templates/")?)
            };
            tosca.join(folder).join(name)
        }
    };
    fs::read_to_string(path).ok()
}
