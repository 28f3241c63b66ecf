//! Files that documents refer to, fetched under the import policy and kept for as long as their servers say.
//!
//! The operator's mirrors come first: what they cover is read from there and nowhere else. Only folders that the
//! operator named are read; a document names URLs, never paths.

use futures::{StreamExt as _, stream};
use im_cloud::net::import::{Fetched, Freshness, Importer, Validators};
use im_tosca::{File, Mirrors, Redirected, Wanted};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What is known of a URL: its file, or why there is none.
pub(super) type Known = Result<File, Arc<str>>;

/// How long a file is used whose server does not say.
const USUAL: Duration = Duration::from_hours(1);
/// How long a failure is believed: a document that names a dead host costs one attempt in this time.
const FAILED: Duration = Duration::from_secs(10);
/// Texts that are kept, in bytes.
const MOST_BYTES: usize = 64 << 20;
/// Files that are kept.
const MOST_FILES: usize = 4096;
/// Files that are fetched at once for one document.
const AT_ONCE: usize = 8;
/// The largest file read from a mirror's folder, in bytes.
const LARGEST: u64 = 4 << 20;

/// A file as it was last seen.
#[derive(Clone)]
struct Seen {
    known: Known,
    validators: Validators,
    until: Instant,
}

/// One URL: whoever needs it waits for who is fetching it.
type Slot = Arc<tokio::sync::Mutex<Option<Seen>>>;

/// Fetches, and keeps what it fetched.
pub(super) struct Fetcher {
    importer: Option<Importer>,
    mirrors: Mirrors,
    slots: Mutex<HashMap<Arc<str>, (Slot, usize)>>,
}

impl Fetcher {
    /// Without an importer nothing is fetched: there are mirrors and the built-in types.
    pub(super) fn new(importer: Option<Importer>, mirrors: Mirrors) -> Self {
        Self {
            importer,
            mirrors,
            slots: Mutex::default(),
        }
    }

    /// All of them, each with what came of it.
    pub(super) async fn fetch(&self, wanted: Vec<Wanted>) -> Vec<(Arc<str>, Known)> {
        stream::iter(wanted)
            .map(|wanted| async move {
                let known = self.one(&wanted.url).await;
                (wanted.url, known)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    async fn one(&self, url: &Arc<str>) -> Known {
        let target = match self.mirrors.redirect(url) {
            None => url.clone(),
            Some(Ok(Redirected::Url(url))) => url.into(),
            Some(Ok(Redirected::File(path))) => return from_folder(&path).await,
            Some(Err(refused)) => return Err(refused.to_string().into()),
        };
        let Some(importer) = &self.importer else {
            return Err("this service fetches nothing and has no mirror for it".into());
        };
        let slot = self.slot(&target);
        let mut seen = slot.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.until > Instant::now()) {
            return seen.known.clone();
        }
        let before = seen.as_ref().filter(|seen| seen.known.is_ok()).cloned();
        let fresh = ask(importer, &target, before).await;
        let known = fresh.known.clone();
        let bytes = known.as_ref().map_or(0, |file| file.text().len());
        *seen = Some(fresh);
        drop(seen);
        self.account(&target, bytes);
        known
    }

    fn slot(&self, url: &Arc<str>) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(url.clone()).or_default().0.clone()
    }

    /// Notes the size of a file; when there is too much, everything that nobody is fetching goes. A cache: what is
    /// needed comes back.
    fn account(&self, url: &Arc<str>, bytes: usize) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get_mut(url) {
            slot.1 = bytes;
        }
        let total: usize = slots.values().map(|(_, bytes)| bytes).sum();
        if total > MOST_BYTES || slots.len() > MOST_FILES {
            slots.retain(|kept, (slot, _)| kept == url || Arc::strong_count(slot) > 1);
        }
    }
}

async fn ask(importer: &Importer, url: &str, before: Option<Seen>) -> Seen {
    let known = before.as_ref().map(|seen| &seen.validators);
    let lasts = |freshness| match freshness {
        Freshness::NoStore => Duration::ZERO,
        Freshness::For(time) => time,
        Freshness::Unsaid => USUAL,
    };
    match importer.fetch(url, known.filter(|v| !v.is_empty())).await {
        Ok(Fetched::Content(came)) => Seen {
            known: match String::from_utf8(came.bytes.to_vec()) {
                Ok(text) => Ok(File::new(text)),
                Err(_) => Err("it is no text: not UTF-8".into()),
            },
            validators: came.validators,
            until: Instant::now() + lasts(came.freshness),
        },
        Ok(Fetched::NotModified(freshness)) => match before {
            Some(seen) => Seen {
                until: Instant::now() + lasts(freshness),
                ..seen
            },
            None => failed("the server says that nothing changed, but nobody had asked"),
        },
        // A file that was there an hour ago is better than none when the network is not.
        Err(error) if error.is_temporary() && before.is_some() => {
            tracing::warn!(url, "the last known version is used: {error}");
            let mut seen = before.unwrap_or_else(|| failed(&error.to_string()));
            seen.until = Instant::now() + FAILED;
            seen
        }
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> Seen {
    Seen {
        known: Err(why.into()),
        validators: Validators::default(),
        until: Instant::now() + FAILED,
    }
}

/// From a folder of the operator's. The path has been checked to lie in it.
async fn from_folder(path: &Path) -> Known {
    let refused = |why: &str| -> Known { Err(format!("the mirror has no such file ({why})").into()) };
    match tokio::fs::metadata(path).await {
        Ok(data) if !data.is_file() => return refused("not a file"),
        Ok(data) if data.len() > LARGEST => return refused("longer than 4 MiB"),
        Ok(_) => {}
        Err(error) => return refused(&error.kind().to_string()),
    }
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(File::new(text)),
        Err(error) => refused(&error.kind().to_string()),
    }
}
