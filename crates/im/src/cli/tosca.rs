//! TOSCA documents in the client: read, the files that they import and run fetched, and made into RADL.
//!
//! Fetches what the document names, as its author could with any other program; never with the user's credentials.

use super::{
    document::{Source, from_mirror, json, sum},
    error::{CliError, Exit},
    ui::{Paint, Ui, count, printable},
};
use im_radl::{Colours, Diagnostic, Document};
use im_tosca::{
    ConvertContext, Embedded, Fetch, File, Files, Limits, LoadOptions, Mirrors, Redirected, Sources, Wanted, Why,
    convert_with, draw_container_ids,
    functions::{Inputs, draw_inputs},
    load_with,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How files are had that no mirror has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// From where they are; the built-in types stand in for those that cannot be reached.
    Online,
    /// Not at all: types are the built-in ones, recipes stay empty.
    Offline,
}

/// How files are had, and which were not.
#[derive(Clone, Debug)]
pub(crate) struct Fetching {
    reach: Reach,
    mirrors: Mirrors,
    /// Recipes and other artifacts that were not read, since nothing is fetched.
    pub(crate) unread: Vec<Arc<str>>,
    /// Imports that are not there, since nothing is fetched: types of theirs are not known.
    pub(crate) unknown: Vec<Arc<str>>,
}

impl Fetching {
    /// From mirrors, then from where they are.
    pub(crate) fn online(mirrors: Mirrors) -> Self {
        Self::new(Reach::Online, mirrors)
    }

    /// From mirrors only.
    pub(crate) fn offline(mirrors: Mirrors) -> Self {
        Self::new(Reach::Offline, mirrors)
    }

    fn new(reach: Reach, mirrors: Mirrors) -> Self {
        Self {
            reach,
            mirrors,
            unread: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

/// What was not read, for people.
pub(crate) fn unread_note(unread: &[Arc<str>]) -> Option<String> {
    const SHOWN: usize = 3;
    let names: Vec<_> = unread.iter().take(SHOWN).map(|url| printable(url)).collect();
    let more = match unread.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| {
        let files = count(unread.len(), "file");
        format!(
            "not looked at, since nothing is fetched: {files} ({}{more})",
            names.join(", ")
        )
    })
}

/// A fetch takes no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A TOSCA document and what became of it.
pub(crate) struct Translation {
    /// As RADL; none if there is an error.
    pub(crate) document: Option<Document>,
    /// What was found on the way.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The files that findings speak of.
    pub(crate) sources: Arc<Sources>,
}

/// Reads and converts a document.
pub(crate) async fn translate(
    source: &Source,
    fetching: &mut Fetching,
    most: usize,
    ui: Ui,
) -> Result<Translation, CliError> {
    let limits = Limits {
        diagnostics: most,
        ..Limits::default()
    };
    let mut files = Files::new(match fetching.reach {
        Reach::Offline if fetching.mirrors.is_empty() => Embedded::Prefer,
        Reach::Online | Reach::Offline => Embedded::Fallback,
    });
    let options = LoadOptions {
        limits,
        repository: None,
    };
    let mut fetcher = Fetcher { fetching, ui };
    let name = printable(&source.name);
    let loaded = load_with(&source.text, &name, &mut files, &options, &mut fetcher).await?;
    let mut diagnostics = loaded.diagnostics;
    let Some(template) = loaded.template else {
        return Ok(Translation {
            document: None,
            diagnostics,
            sources: loaded.sources,
        });
    };
    let inputs = draw_inputs(&template, &Inputs::new(), &mut random, None);
    let container_ids = draw_container_ids(&template, &BTreeMap::new(), &mut random);
    let context = ConvertContext {
        inputs: &inputs,
        container_ids: &container_ids,
        existing: None,
        limits,
    };
    let converted = convert_with(&template, &mut files, &context, &mut fetcher).await?;
    diagnostics.extend(converted.diagnostics);
    Ok(Translation {
        document: converted.document,
        diagnostics,
        sources: loaded.sources,
    })
}

/// The document as RADL. Warnings are shown.
pub(crate) async fn to_radl(source: &Source, mut fetching: Fetching, ui: Ui) -> Result<Document, CliError> {
    let translation = translate(source, &mut fetching, Limits::default().diagnostics, ui).await?;
    let Some(document) = translation.document else {
        return Err(refused(source, &translation.diagnostics, &translation.sources, ui));
    };
    if !translation.diagnostics.is_empty() {
        ui.note(render(&translation.diagnostics, &translation.sources, ui.err).trim_end());
    }
    if let Some(note) = unread_note(&fetching.unread) {
        ui.note(note);
    }
    Ok(document)
}

/// Letters and digits that nobody can guess.
fn random(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&uuid::Uuid::new_v4().simple().to_string());
    }
    text.truncate(length);
    text
}

/// Findings as people read them.
pub(crate) fn render(found: &[Diagnostic], sources: &Sources, paint: Paint) -> String {
    let colours = match paint {
        Paint::Colors => Colours::On,
        Paint::Plain => Colours::Off,
    };
    let all: Vec<String> = found.iter().map(|found| sources.render(found, colours)).collect();
    all.join("\n")
}

fn refused(source: &Source, found: &[Diagnostic], sources: &Sources, ui: Ui) -> CliError {
    let mut error = CliError::new(Exit::Failed, format!("`{}` has {}", source.name, sum(found)));
    error.rendered = Some(render(found, sources, ui.err));
    error.diagnostics = json(found);
    error
}

/// Fetches files, all of them, whatever comes of each.
struct Fetcher<'a> {
    fetching: &'a mut Fetching,
    ui: Ui,
}

impl Fetch for Fetcher<'_> {
    type Error = CliError;

    async fn fetch(&mut self, wanted: Vec<Wanted>, files: &mut Files) -> Result<(), CliError> {
        let mut others = Vec::new();
        for one in wanted {
            match from_mirror(&self.fetching.mirrors, &one.url) {
                Some(came) => files.insert(one.url, came.map(File::new).map_err(Arc::from)),
                None => others.push(one),
            }
        }
        if self.fetching.reach == Reach::Offline {
            self.stand_in(others, files);
            return Ok(());
        }
        if others.is_empty() {
            return Ok(());
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("im/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .build()
            .map_err(|e| CliError::new(Exit::Failed, "cannot prepare connections").chain(&e))?;
        let all = others.iter().map(|one| {
            let url = match self.fetching.mirrors.redirect(&one.url) {
                Some(Ok(Redirected::Url(url))) => url,
                _ => one.url.to_string(),
            };
            self.ui.debug(format!("fetch {}", printable(&url)));
            let http = &http;
            async move { get(http, &url).await }
        });
        let came = futures::future::join_all(all).await;
        for (one, file) in others.into_iter().zip(came) {
            files.insert(one.url, file.map(File::new).map_err(Arc::from));
        }
        Ok(())
    }
}

impl Fetcher<'_> {
    /// Recipes that do nothing; imports are not there.
    fn stand_in(&mut self, wanted: Vec<Wanted>, files: &mut Files) {
        for one in wanted {
            let file = match one.why {
                Why::Artifact => {
                    self.fetching.unread.push(one.url.clone());
                    Ok(File::new("- tasks: []\n"))
                }
                Why::Import | Why::Template => {
                    if im_tosca::library::embedded(&one.url).is_none() {
                        self.fetching.unknown.push(one.url.clone());
                    }
                    Err(Arc::from("nothing is fetched here, and it is not built in"))
                }
            };
            files.insert(one.url, file);
        }
    }
}

/// The text at a URL, or why it cannot be had.
async fn get(http: &reqwest::Client, url: &str) -> Result<String, String> {
    let most = Limits::default().bytes;
    let mut answer = http.get(url).send().await.map_err(|e| reason(&e))?;
    if !answer.status().is_success() {
        return Err(format!("the answer is {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| reason(&e))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err(format!("it is larger than {most} bytes"));
        }
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// The last of the errors below: what really happened.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", PATIENCE.as_secs());
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
