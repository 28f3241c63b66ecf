//! Parsed documents of VMs and infrastructures, kept for as long as they are used. A cache: may be dropped at any time.

use crate::{ServiceError, ServiceResult};
use im_model::BlobId;
use im_radl::Document;
use im_store::Store;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many texts are kept.
const KEPT: usize = 512;

/// The cache.
#[derive(Default)]
pub(crate) struct Documents {
    by_text: Mutex<HashMap<Arc<str>, Arc<Document>>>,
    by_blob: Mutex<HashMap<BlobId, Arc<Document>>>,
}

impl Documents {
    /// Reads a stored text. It was checked before it was stored.
    pub(crate) fn read(&self, text: &Arc<str>) -> Result<Arc<Document>, String> {
        let mut kept = self.by_text.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = kept.get(text) {
            return Ok(document.clone());
        }
        let document = Arc::new(read(text)?);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(text.clone(), document.clone());
        Ok(document)
    }

    /// The shared part of a VM's document.
    pub(crate) async fn base(&self, store: &dyn Store, id: &BlobId) -> ServiceResult<Arc<Document>> {
        if let Some(document) = self.kept(id) {
            return Ok(document);
        }
        let text = store.blob(id).await.map_err(|e| ServiceError::internal(&e))?;
        let text = text.ok_or_else(|| missing(id))?;
        let document = Arc::new(read(&text).map_err(|why| unreadable(id, &why))?);
        let mut kept = self.by_blob.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(id.clone(), document.clone());
        Ok(document)
    }

    fn kept(&self, id: &BlobId) -> Option<Arc<Document>> {
        self.by_blob
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}

fn read(text: &str) -> Result<Document, String> {
    let parsed = im_radl::parse_with(text, &im_radl::Limits::stored());
    match im_radl::first_error(&parsed.diagnostics) {
        None => Ok(parsed.document),
        Some(error) => Err(error),
    }
}

#[derive(Debug, thiserror::Error)]
enum Bad {
    #[error("text {0} is missing from the database")]
    Missing(BlobId),
    #[error("stored document {0} cannot be read: {1}")]
    Unreadable(BlobId, String),
}

fn missing(id: &BlobId) -> ServiceError {
    ServiceError::internal(&Bad::Missing(id.clone()))
}

fn unreadable(id: &BlobId, why: &str) -> ServiceError {
    ServiceError::internal(&Bad::Unreadable(id.clone(), why.to_owned()))
}
