//! From texts to a [`Config`].

use crate::{
    Config, ConfigError, KEYS, Section,
    ini::{DEFAULT, Ini, Raw},
    keys::Key,
};
use std::collections::BTreeMap;

/// A file's text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// The variables of the environment that count.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `IM_DATA_DB`: wins over `DATA_DB`.
    pub data_db: Option<String>,
    /// `FORWARDED_ALLOW_IPS`: stands in for `TRUSTED_PROXIES` where no file sets it.
    pub forwarded_allow_ips: Option<String>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, or `environment`.
    pub file: String,
    /// Line, from 1; 0 in the environment.
    pub line: usize,
}

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The values.
    pub config: Config,
    /// For the log: what was ignored.
    pub warnings: Vec<String>,
    places: BTreeMap<&'static str, Place>,
}

impl Read {
    /// Whether a key is set, by a file or by the environment.
    pub fn is_set(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// An error about the value of a key, at its place.
    pub fn error(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        let place = self.places.get(key).cloned().unwrap_or(Place {
            file: "the built-in value".to_owned(),
            line: 0,
        });
        ConfigError {
            file: place.file,
            line: place.line,
            message: format!("{key}: {}", message.into()),
            hint: hint.into(),
        }
    }
}

impl Config {
    /// Reads files, in their order: each wins over those before. All errors are told, not only the first.
    pub fn parse(sources: &[Source<'_>], environment: &Environment) -> Result<Read, Vec<ConfigError>> {
        let mut ini = Ini::default();
        let mut errors = Vec::new();
        for source in sources {
            errors.extend(ini.add(source.name, source.text));
        }
        let mut read = Read {
            config: Self::default(),
            warnings: Vec::new(),
            places: BTreeMap::new(),
        };
        for (name, keys) in &ini.sections {
            let Some(section) = Section::of(name) else {
                if name != DEFAULT && !name.is_empty() {
                    read.warnings
                        .push(format!("Unknown section in the IM config file. Ignoring it: {name}"));
                }
                continue;
            };
            for (name, raw) in keys {
                let known = KEYS
                    .iter()
                    .find(|key| key.section == section && key.name.eq_ignore_ascii_case(name));
                match known {
                    Some(key) => errors.extend(read.take(&ini, key, raw).err()),
                    None => read.warnings.push(format!(
                        "Unknown option in the IM config file. Ignoring it: {}",
                        name.to_uppercase()
                    )),
                }
            }
        }
        if !errors.is_empty() {
            errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            return Err(errors);
        }
        if let Some(data_db) = &environment.data_db {
            read.config.data_db.clone_from(data_db);
            read.places.insert("DATA_DB", environment_place());
        }
        if let Some(ips) = environment
            .forwarded_allow_ips
            .as_ref()
            .filter(|_| !read.is_set("TRUSTED_PROXIES"))
        {
            read.config.trusted_proxies.clone_from(ips);
            read.places.insert("TRUSTED_PROXIES", environment_place());
        }
        Ok(read)
    }

    /// The key file: `KEY_FILE`, or one beside the database.
    pub fn key_file_for(&self, database: &std::path::Path) -> std::path::PathBuf {
        if let Some(path) = &self.key_file {
            return path.into();
        }
        let mut name = database.file_name().unwrap_or_default().to_owned();
        name.push(".key");
        database.with_file_name(name)
    }
}

impl Read {
    fn take(&mut self, ini: &Ini, key: &'static Key, raw: &Raw) -> Result<(), ConfigError> {
        let section = match key.section {
            Section::Im => "im",
            Section::OpenNebula => "OpenNebula",
        };
        let text = ini.value(section, raw)?;
        (key.set)(&mut self.config, &text).map_err(|hint| ConfigError {
            file: raw.file.clone(),
            line: raw.line,
            message: format!("{}: the value is no {}", key.name, key.kind),
            hint: format!("{hint}, or remove the line for `{}`", shown(&key.default())),
        })?;
        let place = Place {
            file: raw.file.clone(),
            line: raw.line,
        };
        self.places.insert(key.name, place);
        Ok(())
    }
}

fn shown(default: &str) -> &str {
    if default.is_empty() { "nothing" } else { default }
}

fn environment_place() -> Place {
    Place {
        file: "environment".to_owned(),
        line: 0,
    }
}
