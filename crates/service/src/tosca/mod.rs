//! TOSCA documents: read with all that they refer to, converted, kept with the infrastructure.
//!
//! The conversion itself is pure ([`im_tosca`]); here files are fetched, random values drawn, and what must stay as it
//! was first drawn is stored. What the types of a stored document say is stored too, so that nothing is lost when an
//! address stops answering.

mod calls;
mod fetch;
mod kept;
mod live;
mod outputs;

pub use calls::Translation;
pub(crate) use kept::{Kept, ToscaPart};
pub(crate) use outputs::ReadDocuments;

use crate::{ServiceError, ServiceResult, draw};
use fetch::Fetcher;
use im_cloud::net::{
    Guard, TlsOptions,
    import::{ImportLimits, Importer},
};
use im_radl::{Diagnostic, Document};
use im_store::Store;
use im_tosca::{
    ConvertContext, Embedded, ExistingVm, Fetch as FetchFiles, FileId, Files, LoadOptions, Mirrors, Node, Template,
    Wanted,
};
use std::sync::Arc;

/// What the contract puts before every refusal of a TOSCA document.
const PREFIX: &str = "Error parsing TOSCA template:";

/// What the operator decides about TOSCA documents.
#[derive(Clone, Debug)]
pub struct ToscaOptions {
    /// Where files are read instead of where documents say.
    pub mirrors: Mirrors,
    /// Whether files are fetched from where documents say.
    pub fetch: Fetch,
    /// When the built-in types are used.
    pub embedded: Embedded,
    /// Where `template_file` documents come from (`OAIPMH_REPO_BASE_IDENTIFIER_URL`).
    pub repository: Option<String>,
    /// Bounds of documents.
    pub limits: im_tosca::Limits,
}

/// Whether files that documents name are fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fetch {
    /// They are, under the policy for imports.
    #[default]
    Yes,
    /// Only from mirrors.
    No,
}

impl Default for ToscaOptions {
    fn default() -> Self {
        Self {
            mirrors: Mirrors::default(),
            fetch: Fetch::Yes,
            embedded: Embedded::Fallback,
            repository: None,
            limits: im_tosca::Limits::default(),
        }
    }
}

/// A document that was read.
#[derive(Clone)]
pub(crate) struct Read {
    pub(crate) template: Arc<Template>,
    pub(crate) files: Files,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// A document as RADL.
pub(crate) struct Translated {
    pub(crate) document: Document,
    /// Ids of the VMs to remove first.
    pub(crate) removals: Vec<String>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Reads and converts.
pub(crate) struct Toscas {
    fetcher: Fetcher,
    options: ToscaOptions,
}

fn refused(diagnostics: Vec<Diagnostic>) -> ServiceError {
    let first = im_radl::first_error(&diagnostics).unwrap_or_else(|| "it is not acceptable".to_owned());
    ServiceError::BadDocument {
        message: format!("{PREFIX} {first}"),
        diagnostics,
    }
}

impl Read {
    /// URLs of what it imports.
    pub(crate) fn imports(&self) -> impl Iterator<Item = &Arc<str>> {
        let sources = self.template.sources.iter();
        sources
            .filter(|(file, _)| *file != FileId::DOCUMENT)
            .map(|(_, source)| &source.name)
    }
}

/// Where the files of one document come from: they are fetched; what cannot be had any more is as it was kept.
struct FetchedOrKept<'a> {
    fetcher: &'a Fetcher,
    known: &'a Kept,
    store: &'a dyn Store,
}

impl FetchFiles for FetchedOrKept<'_> {
    type Error = ServiceError;

    async fn fetch(&mut self, wanted: Vec<Wanted>, files: &mut Files) -> ServiceResult<()> {
        for (url, came) in self.fetcher.fetch(wanted).await {
            let came = match came {
                Err(why) => match self.known.file(&url, self.store).await? {
                    Some(file) => {
                        tracing::warn!(%url, "its last known content is used: {why}");
                        Ok(file)
                    }
                    None => Err(why),
                },
                ok => ok,
            };
            files.insert(url, came);
        }
        Ok(())
    }
}

impl Toscas {
    pub(crate) fn new(options: ToscaOptions, guard: Guard) -> Self {
        let importer = match options.fetch {
            Fetch::Yes => Some(Importer::new(guard, TlsOptions::default(), ImportLimits::default())),
            Fetch::No => None,
        };
        Self {
            fetcher: Fetcher::new(importer, options.mirrors.clone()),
            options,
        }
    }

    /// Reads a document, fetching what it imports. `known` are files that were kept, for when they cannot be had.
    pub(crate) async fn read(&self, text: &str, known: &Kept, store: &dyn Store) -> ServiceResult<Read> {
        self.read_with(Files::new(self.options.embedded), text, known, store)
            .await
    }

    /// Reads a stored document with the files that were kept: it says the same as when it was stored.
    pub(crate) async fn read_kept(&self, text: &str, kept: &Kept, store: &dyn Store) -> ServiceResult<Read> {
        let mut files = Files::new(self.options.embedded);
        for url in kept.files.keys() {
            if let Some(file) = kept.file(url, store).await? {
                files.insert(url.as_str(), Ok(file));
            }
        }
        self.read_with(files, text, kept, store).await
    }

    async fn read_with(&self, mut files: Files, text: &str, known: &Kept, store: &dyn Store) -> ServiceResult<Read> {
        let options = LoadOptions {
            limits: self.options.limits,
            repository: self.options.repository.as_deref().map(Into::into),
        };
        let mut source = self.source(known, store);
        let loaded = im_tosca::load_with(text, "document", &mut files, &options, &mut source).await?;
        let (errors, warnings): (Vec<_>, Vec<_>) = loaded.diagnostics.into_iter().partition(Diagnostic::is_error);
        let Some(template) = loaded.template.filter(|_| errors.is_empty()) else {
            return Err(refused(errors.into_iter().chain(warnings).collect()));
        };
        Ok(Read {
            template: Arc::new(template),
            files,
            warnings,
        })
    }

    fn source<'a>(&'a self, known: &'a Kept, store: &'a dyn Store) -> FetchedOrKept<'a> {
        FetchedOrKept {
            fetcher: &self.fetcher,
            known,
            store,
        }
    }

    /// A stored document as a value. It was accepted once.
    pub(crate) fn stored(&self, text: &str) -> ServiceResult<Node> {
        im_tosca::read(text, &self.options.limits).map_err(refused)
    }

    /// Converts a document, fetching its artifacts.
    pub(crate) async fn translate(
        &self,
        read: &mut Read,
        kept: &Kept,
        existing: Option<&[ExistingVm]>,
        store: &dyn Store,
    ) -> ServiceResult<Translated> {
        let inputs = kept.inputs();
        let context = ConvertContext {
            inputs: &inputs,
            container_ids: &kept.containers,
            existing,
            limits: self.options.limits,
        };
        let mut source = self.source(kept, store);
        let converted = im_tosca::convert_with(&read.template, &mut read.files, &context, &mut source).await?;
        let (errors, mut warnings): (Vec<_>, Vec<_>) =
            converted.diagnostics.into_iter().partition(Diagnostic::is_error);
        let Some(document) = converted.document.filter(|_| errors.is_empty()) else {
            return Err(refused(errors.into_iter().chain(warnings).collect()));
        };
        warnings.splice(0..0, read.warnings.iter().cloned());
        Ok(Translated {
            document,
            removals: converted.removals,
            warnings,
        })
    }
}

/// Draws letters and digits for a document.
fn drawer() -> ServiceResult<impl FnMut(usize) -> String> {
    use im_cloud::Draw as _;
    let seed = draw::seed().ok_or_else(|| ServiceError::Refused("The system gives no random numbers.".to_owned()))?;
    let mut random = draw::Seeded::new(&seed, "tosca");
    Ok(move |len| random.alphanumeric(len))
}
