//! `im keys`: the operator's commands on the keys that seal the secrets of the service's database.
//!
//! Works on files of this machine, with the service's settings, whether the service runs or not. Each step of a rotation
//! is safe to be the last one: the next run goes on from there.
//!
//! Never here: printing a key, but for `new --print`, which is for that.

#![allow(
    clippy::result_large_err,
    reason = "an error ends the program; its size is of no weight"
)]

use crate::{
    cli::{CliError, Exit, Format, KeysCommand, Ui},
    serve::Settings,
};
use im_store::{KeyFile, KeyId, KeyRing, KeyRole, SealedRows, StoreError, new_key_line};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a key stays in the file after the file was changed: a service may still be writing what it had sealed with it.
const SETTLED: Duration = Duration::from_mins(1);

/// Where things are.
struct Places {
    database: PathBuf,
    file: PathBuf,
    text: Option<im_model::Secret>,
}

/// Runs a command.
pub(crate) fn run(config: Option<&Path>, command: &KeysCommand, ui: Ui) -> Result<Exit, CliError> {
    if matches!(command, KeysCommand::New { print: true }) {
        let line = new_key_line().map_err(|e| failed("no key can be made", &e))?;
        ui.text(&line)?;
        ui.hint("add this line, above the others, to the keys of every instance, and start each again; then take the word `staged` away, move the line to the end and start each again; then run `im keys rotate`");
        return Ok(Exit::Ok);
    }
    let settings = Settings::load(config).map_err(|errors| {
        errors.iter().fold(
            CliError::new(Exit::Failed, "the service's settings cannot be used"),
            CliError::cause,
        )
    })?;
    let database = settings
        .database()
        .map_err(|e| CliError::new(Exit::Failed, "the database cannot be found").cause(e))?;
    let places = Places {
        file: settings.key_file(&database),
        text: Settings::keys_text(),
        database,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::new(Exit::Failed, "cannot start").cause(e))?;
    runtime.block_on(async {
        match command {
            KeysCommand::List => list(&places, ui).await,
            KeysCommand::New { .. } => new(&places, ui).await,
            KeysCommand::Rotate => rotate(&places, ui).await,
            KeysCommand::Drop { id } => forget(&places, *id, ui).await,
        }
    })
}

fn failed(what: &str, error: &StoreError) -> CliError {
    CliError::new(Exit::Failed, what).cause(error)
}

impl Places {
    fn ring(&self) -> Result<KeyRing, CliError> {
        let ring = match &self.text {
            Some(text) => KeyRing::parse(text.expose(), "IM_KEYS"),
            None => KeyRing::load(&self.file),
        };
        ring.map_err(|e| {
            failed("the keys cannot be read", &e)
                .hint("`im serve` makes the key file when it first starts; KEY_FILE in im.cfg and IM_KEYS in the environment say where keys are")
        })
    }

    async fn rows(&self, ring: &KeyRing) -> Result<Option<SealedRows>, CliError> {
        SealedRows::open(&self.database, ring)
            .await
            .map_err(|e| failed("the database cannot be opened with these keys", &e))
    }

    /// The key file, to be changed.
    fn key_file(&self) -> Result<KeyFile, CliError> {
        KeyFile::open(&self.file).map_err(|e| failed("the keys cannot be changed", &e))
    }
}

async fn list(places: &Places, ui: Ui) -> Result<Exit, CliError> {
    let ring = places.ring()?;
    let uses = match places.rows(&ring).await? {
        Some(mut rows) => rows
            .used()
            .await
            .map_err(|e| failed("the database cannot be read", &e))?,
        None => Vec::new(),
    };
    let values = |id: KeyId| uses.iter().find(|u| u.id == id).map_or(0, |u| u.values);
    let keys = ring.list();
    match ui.format {
        Format::Json => {
            let keys: Vec<_> = keys
                .iter()
                .map(|(id, role)| json!({"id": id.to_string(), "role": role.as_str(), "values": values(*id)}))
                .collect();
            let database = places.database.display().to_string();
            ui.json(&json!({"keys": keys, "origin": ring.origin(), "database": database}))?;
        }
        Format::Text => {
            ui.line("KEY       ROLE     VALUES")?;
            for (id, role) in keys {
                ui.line(format!("{id}  {:<7}  {}", role.as_str(), values(id)))?;
            }
            ui.note(format!("keys: {}", ring.origin()));
            ui.note(format!("database: {}", places.database.display()));
        }
    }
    Ok(Exit::Ok)
}

async fn new(places: &Places, ui: Ui) -> Result<Exit, CliError> {
    if places.text.is_some() {
        return Err(elsewhere("a key cannot be added"));
    }
    if !places.file.exists() {
        // Refused where a database waits for the key that is missing.
        let ring = im_store::SqliteStore::keys_for(&places.file, &places.database)
            .await
            .map_err(|e| failed("no key was made", &e))?;
        ui.line(ring.writing().to_string())?;
        ui.note(format!(
            "{} was made; keep a copy of it apart from the database",
            ring.origin()
        ));
        return Ok(Exit::Ok);
    }
    let mut file = places.key_file()?;
    let id = file.stage_new().map_err(|e| failed("no key was made", &e))?;
    ui.line(id.to_string())?;
    ui.note("it opens, but does not seal yet");
    ui.hint("when every instance has this key file, `im keys rotate` makes it the key that seals");
    Ok(Exit::Ok)
}

fn elsewhere(what: &str) -> CliError {
    CliError::new(Exit::Failed, what)
        .cause("the keys come from IM_KEYS, which this program cannot change")
        .hint("`im keys new --print` makes a line for whatever sets IM_KEYS")
}

async fn rotate(places: &Places, ui: Ui) -> Result<Exit, CliError> {
    let ring = places.ring()?;
    let mut rows = places.rows(&ring).await?;
    let failed = |e: &StoreError| failed("the rotation is not complete; `im keys rotate` goes on with it", e);
    let old = match &mut rows {
        Some(rows) => rows.used().await.map_err(|e| failed(&e))?,
        None => Vec::new(),
    };
    let begun = old.iter().any(|u| u.id != ring.writing() && u.values > 0);
    let staged = ring.list().iter().any(|(_, role)| *role == KeyRole::Staged);
    if places.text.is_some() {
        if staged {
            return Err(elsewhere("the keys cannot be rotated").hint(
                "take the word `staged` from the new key, move its line to the end, and start each instance again",
            ));
        }
        if !begun {
            return Err(elsewhere("there is no new key to rotate to"));
        }
    } else if staged || !begun {
        let mut file = places.key_file()?;
        let id = match file.staged() {
            Some(id) => id,
            None => file.stage_new().map_err(|e| failed(&e))?,
        };
        // The database hears of the key before anybody seals with it.
        if let Some(rows) = &mut rows {
            rows.announce(id).await.map_err(|e| failed(&e))?;
        }
        file.promote(id).map_err(|e| failed(&e))?;
        ring.refresh();
    }
    let writing = ring.writing();
    ui.line(writing.to_string())?;
    if let Some(mut rows) = rows {
        let done = rows
            .reseal(|n| ui.debug(format!("{n} values sealed anew")))
            .await
            .map_err(|e| failed(&e))?;
        if done.left > 0 {
            return Err(CliError::new(
                Exit::Failed,
                format!("{} values are still sealed with another key", done.left),
            )
            .cause("a service goes on sealing with the former key")
            .hint("give every instance the same keys, start each again, then run `im keys rotate` again"));
        }
        ui.note(format!("{writing} seals now; {} values were sealed anew", done.values));
        rows.close().await.map_err(|e| failed(&e))?;
    } else {
        ui.note(format!("{writing} seals now; there is no database yet"));
    }
    for (id, role) in ring.list() {
        if role == KeyRole::Reading {
            ui.hint(format!("nothing is sealed with {id} any more: `im keys drop {id}` removes it. Backups of the database from before need it: keep a copy as long as you keep them"));
        }
    }
    Ok(Exit::Ok)
}

async fn forget(places: &Places, id: KeyId, ui: Ui) -> Result<Exit, CliError> {
    let what = format!("key {id} stays");
    let ring = places.ring()?;
    if !ring.list().iter().any(|(known, _)| *known == id) {
        return Err(
            CliError::usage(format!("there is no key {id} in {}", ring.origin())).hint("`im keys list` names them")
        );
    }
    if ring.writing() == id {
        return Err(CliError::new(Exit::Failed, what)
            .cause("it is the one that seals")
            .hint("`im keys rotate` makes another one do it"));
    }
    let rows = places.rows(&ring).await?;
    let mut file = match places.text {
        Some(_) => None,
        None => Some(places.key_file()?),
    };
    if let Some(mut rows) = rows {
        let young = file.as_ref().is_some_and(|file| file.age() < SETTLED);
        if young && rows.is_served().map_err(|e| failed(&what, &e))? {
            return Err(CliError::new(Exit::Failed, what)
                .cause("the keys were changed less than a minute ago, and a service may still be writing what it had sealed before")
                .hint("try again in a minute"));
        }
        rows.forget(id).await.map_err(|e| failed(&what, &e))?;
        if !rows.compact().await.map_err(|e| failed(&what, &e))? {
            ui.note("free space of the file may still hold values that were sealed with it: the next `im keys drop` with the service stopped writes the file anew");
        }
        rows.close().await.map_err(|e| failed(&what, &e))?;
    }
    match &mut file {
        Some(file) => {
            file.remove(id).map_err(|e| failed(&what, &e))?;
            ui.note(format!("key {id} is no longer in {}", file.path().display()));
        }
        None => ui.note(format!("nothing needs key {id}: take its line out of IM_KEYS")),
    }
    Ok(Exit::Ok)
}
