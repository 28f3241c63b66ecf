//! What is kept of a TOSCA document beside its text: what was drawn, and the files that it imports.

use super::{Read, drawer};
use crate::{ServiceError, ServiceResult, draw};
use im_model::{BlobId, Infrastructure};
use im_store::{Store, Write};
use im_tosca::{File, Template, Value, draw_container_ids, functions::draw_inputs};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Where an infrastructure's row keeps it.
const EXTRA: &str = "tosca";

/// What is kept. Its form is stored: members are only added, with defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// Values of inputs that were drawn, by the input's name.
    pub(crate) drawn: BTreeMap<String, String>,
    /// Ids of containers, by the node's name.
    pub(crate) containers: BTreeMap<String, String>,
    /// Files by URL.
    pub(crate) files: BTreeMap<String, BlobId>,
}

/// The TOSCA part of a request: what its infrastructure is to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToscaPart {
    /// The document, whole.
    pub(crate) text: Arc<str>,
    /// What is kept beside it.
    #[serde(default)]
    pub(crate) kept: Kept,
}

impl ToscaPart {
    /// Into the infrastructure's row.
    pub(crate) fn keep(&self, infra: &mut Infrastructure) {
        infra.tosca = Some(self.text.clone());
        if let Ok(value) = serde_json::to_value(&self.kept) {
            infra.extra.insert(EXTRA.to_owned(), value);
        }
    }

    /// Of an infrastructure that came from one.
    pub(crate) fn of(infra: &Infrastructure) -> Option<Self> {
        Some(Self {
            text: infra.tosca.clone()?,
            kept: Kept::of(infra),
        })
    }
}

impl Kept {
    fn of(infra: &Infrastructure) -> Self {
        let value = infra.extra.get(EXTRA);
        value
            .and_then(|value| Self::deserialize(value).ok())
            .unwrap_or_default()
    }

    /// Draws what is left to chance and was not drawn before.
    pub(crate) fn draw(&mut self, template: &Template, token: Option<&str>) -> ServiceResult<()> {
        let mut random = drawer()?;
        let drawn = draw_inputs(template, &self.inputs(), &mut random, token);
        self.drawn = drawn
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Str(text) => Some((name, text.to_string())),
                _ => None,
            })
            .collect();
        self.containers = draw_container_ids(template, &self.containers, &mut random);
        Ok(())
    }

    /// The values of inputs that were drawn; those of the others are in the document.
    pub(crate) fn inputs(&self) -> BTreeMap<String, Value> {
        let value = |(name, text): (&String, &String)| (name.clone(), Value::text(text.as_str()));
        self.drawn.iter().map(value).collect()
    }

    /// Keeps the files that a document imports. Answers what must be stored with it.
    pub(crate) fn keep_files(&mut self, read: &Read) -> Vec<Write> {
        self.files.clear();
        let mut writes = Vec::new();
        for url in read.imports() {
            let im_tosca::Fetched::File(file) = read.files.get(url) else {
                continue;
            };
            let id = BlobId::from(draw::hash(file.text()));
            self.files.insert(url.to_string(), id.clone());
            writes.push(Write::Blob {
                id,
                text: file.text().clone(),
            });
        }
        writes
    }

    /// A file that was kept.
    pub(crate) async fn file(&self, url: &str, store: &dyn Store) -> ServiceResult<Option<File>> {
        let Some(id) = self.files.get(url) else {
            return Ok(None);
        };
        let text = store.blob(id).await.map_err(|e| ServiceError::internal(&e))?;
        Ok(text.map(File::new))
    }
}
