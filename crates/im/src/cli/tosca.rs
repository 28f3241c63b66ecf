//! TOSCA documents in the client: read, the files that they import and run fetched, and made into RADL.
//!
//! Fetches what the document names, as its author could with any other program; never with the user's credentials.

use super::{
    document::{Source, from_mirror, json, sum},
    error::{CliError, Exit},
    ui::{Paint, Ui, printable},
};
use im_radl::{Colours, Diagnostic, Document};
use im_tosca::{
    ConvertContext, Embedded, File, Files, Limits, LoadOptions, Mirrors, Redirected, Sources, Template, Wanted, Why,
    convert, draw_container_ids,
    functions::{Inputs, draw_inputs},
    load,
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

/// How files are had.
#[derive(Clone, Debug)]
pub(crate) struct Fetching {
    reach: Reach,
    mirrors: Mirrors,
}

impl Fetching {
    /// From mirrors, then from where they are.
    pub(crate) fn online(mirrors: Mirrors) -> Self {
        Self {
            reach: Reach::Online,
            mirrors,
        }
    }

    /// From mirrors only.
    pub(crate) fn offline(mirrors: Mirrors) -> Self {
        Self {
            reach: Reach::Offline,
            mirrors,
        }
    }
}

/// A fetch takes no longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The document as RADL. Warnings are shown.
pub(crate) async fn to_radl(source: &Source, fetching: &Fetching, ui: Ui) -> Result<Document, CliError> {
    let mut files = Files::new(match fetching.reach {
        Reach::Offline if fetching.mirrors.is_empty() => Embedded::Prefer,
        Reach::Online | Reach::Offline => Embedded::Fallback,
    });
    let template = read(source, &mut files, fetching, ui).await?;
    let inputs = draw_inputs(&template, &Inputs::new(), &mut random, None);
    let container_ids = draw_container_ids(&template, &BTreeMap::new(), &mut random);
    let context = ConvertContext {
        inputs: &inputs,
        container_ids: &container_ids,
        existing: None,
        limits: Limits::default(),
    };
    loop {
        let converted = convert(&template, &files, &context);
        if !converted.wanted.is_empty() {
            fetch(&mut files, &converted.wanted, fetching, ui).await?;
            continue;
        }
        return match converted.document {
            Some(document) => {
                warn(&converted.diagnostics, &template.sources, ui);
                Ok(document)
            }
            None => Err(refused(source, &converted.diagnostics, &template.sources, ui)),
        };
    }
}

async fn read(source: &Source, files: &mut Files, fetching: &Fetching, ui: Ui) -> Result<Template, CliError> {
    loop {
        let loaded = load(&source.text, &printable(&source.name), files, &LoadOptions::default());
        if loaded.is_waiting() {
            fetch(files, &loaded.wanted, fetching, ui).await?;
            continue;
        }
        return match loaded.template {
            Some(template) => {
                warn(&loaded.diagnostics, &loaded.sources, ui);
                Ok(template)
            }
            None => Err(refused(source, &loaded.diagnostics, &loaded.sources, ui)),
        };
    }
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

fn render(found: &[Diagnostic], sources: &Sources, paint: Paint) -> String {
    let colours = match paint {
        Paint::Colors => Colours::On,
        Paint::Plain => Colours::Off,
    };
    let all: Vec<String> = found.iter().map(|found| sources.render(found, colours)).collect();
    all.join("\n")
}

fn warn(found: &[Diagnostic], sources: &Sources, ui: Ui) {
    if !found.is_empty() {
        ui.note(render(found, sources, ui.err).trim_end());
    }
}

fn refused(source: &Source, found: &[Diagnostic], sources: &Sources, ui: Ui) -> CliError {
    let mut error = CliError::new(Exit::Failed, format!("`{}` has {}", source.name, sum(found)));
    error.rendered = Some(render(found, sources, ui.err));
    error.diagnostics = json(found);
    error
}

/// Fetches files, all of them, whatever comes of each.
async fn fetch(files: &mut Files, wanted: &[Wanted], fetching: &Fetching, ui: Ui) -> Result<(), CliError> {
    let mut others = Vec::new();
    for one in wanted {
        match from_mirror(&fetching.mirrors, &one.url) {
            Some(came) => files.insert(Arc::clone(&one.url), came.map(File::new).map_err(Arc::from)),
            None => others.push(one),
        }
    }
    if fetching.reach == Reach::Offline {
        for one in others {
            let file = match one.why {
                Why::Artifact => Ok(File::new("- tasks: []\n")),
                _ => Err(Arc::from("nothing is fetched (`--offline`), and it is not built in")),
            };
            files.insert(Arc::clone(&one.url), file);
        }
        return Ok(());
    }
    let http = reqwest::Client::builder()
        .user_agent(concat!("im/", env!("CARGO_PKG_VERSION")))
        .timeout(PATIENCE)
        .build()
        .map_err(|e| CliError::new(Exit::Failed, "cannot prepare connections").chain(&e))?;
    let all = others.iter().map(|one| {
        let url = match fetching.mirrors.redirect(&one.url) {
            Some(Ok(Redirected::Url(url))) => url,
            _ => one.url.to_string(),
        };
        ui.debug(format!("fetch {}", printable(&url)));
        let http = &http;
        async move { get(http, &url).await }
    });
    for (one, file) in others.iter().zip(futures::future::join_all(all).await) {
        files.insert(Arc::clone(&one.url), file.map(File::new).map_err(Arc::from));
    }
    Ok(())
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
