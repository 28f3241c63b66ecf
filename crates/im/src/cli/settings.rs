//! Where the client's settings come from: options, environment, settings files, defaults - in that order.
//!
//! Files are INI: `$XDG_CONFIG_HOME/im/client.cfg` (section `[client]`) and, for what it does not say, `im_client`'s
//! `~/.im_client.cfg` and `./im_client.cfg` (section `[im_client]`). A file in the current folder may be anybody's, so
//! it never sends the user's own credentials to an address of its choice, and runs no commands.

use super::{
    args::Global,
    auth::{self, Commands},
    error::CliError,
    ui::{ColorChoice, Format, Talk, Ui},
};
use configparser::ini::Ini;
use im_model::Secret;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Where the service is when nobody says.
pub(crate) const DEFAULT_URL: &str = "http://localhost:8800";

/// How the service's certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// By the system's certificate authorities.
    System,
    /// By these and the system's.
    Also(PathBuf),
    /// Not at all.
    Anyone,
}

/// What a client needs to talk to a service.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Base URL.
    pub(crate) url: String,
    /// Trust in its certificate.
    pub(crate) trust: Trust,
    auth: Option<AuthFile>,
}

#[derive(Clone, Debug)]
struct AuthFile {
    path: PathBuf,
    commands: Commands,
}

impl Settings {
    /// The `Authorization` header.
    pub(crate) fn authorization(&self) -> Result<Secret, CliError> {
        let Some(file) = &self.auth else {
            let place = own_folder().map_or_else(|| "~/.config/im".to_owned(), |f| f.display().to_string());
            return Err(
                CliError::usage("no credentials: the service wants to know who you are").hint(format!(
                    "write them to a file, one set per line (`type = InfrastructureManager; username = ME; password = \
                 SECRET`, then one per cloud), and name it with `--auth FILE`, in `IM_AUTH`, or put it at \
                 `{place}/auth.dat`"
                )),
            );
        };
        auth::header_from_file(&file.path, file.commands)
    }

    /// Where the credentials come from, for warnings.
    pub(crate) fn auth_path(&self) -> Option<&Path> {
        self.auth.as_ref().map(|f| f.path.as_path())
    }
}

/// Everything decided before a command runs.
pub(crate) struct Decided {
    /// The user interface.
    pub(crate) ui: Ui,
    /// The service.
    pub(crate) settings: Settings,
}

/// The user interface from the options alone, for errors that come before everything else.
pub(crate) fn early_ui(global: &Global) -> Ui {
    let talk = match (global.quiet, global.verbose) {
        (true, _) => Talk::Quiet,
        (false, 0) => Talk::Normal,
        _ => Talk::Verbose,
    };
    Ui::new(
        global.output.unwrap_or(Format::Text),
        global.color.unwrap_or_default(),
        talk,
    )
}

/// Reads the settings files and decides.
pub(crate) fn decide(global: &Global) -> Result<Decided, CliError> {
    let own = own_folder().map(|f| f.join("client.cfg"));
    let own = match env::var_os("IM_CLIENT_CONFIG") {
        Some(path) if !path.is_empty() => File::read(Path::new(&path), "client", Whose::Users, Absent::IsAnError)?,
        _ => match own {
            Some(path) => File::read(&path, "client", Whose::Users, Absent::IsFine)?,
            None => File::default(),
        },
    };
    let home = match home() {
        Some(home) => File::read(&home.join(".im_client.cfg"), "im_client", Whose::Users, Absent::IsFine)?,
        None => File::default(),
    };
    let here = File::read(Path::new("im_client.cfg"), "im_client", Whose::Anybodys, Absent::IsFine)?;
    let files = [own, home, here];

    let url = match &global.url {
        Some(url) => Found::users(url.clone()),
        None => first(&files, &["url", "restapi_url"]).unwrap_or_else(|| Found::users(DEFAULT_URL.to_owned())),
    };
    let auth = match &global.auth {
        Some(path) => Some(Found::users(path.clone())),
        None => first(&files, &["auth", "auth_file"])
            .map(|f| Found {
                value: home_relative(&f.value),
                whose: f.whose,
            })
            .or_else(|| {
                let path = own_folder()?.join("auth.dat");
                path.exists().then(|| Found::users(path))
            }),
    };
    if let Some(auth) = &auth
        && url.whose == Whose::Anybodys
        && auth.whose == Whose::Users
    {
        return Err(CliError::usage(format!(
            "`./im_client.cfg` names the service `{}`, but your credentials come from elsewhere",
            url.value
        ))
        .cause("a file in the current folder may be anybody's; it does not decide where your credentials are sent")
        .hint(format!("if you trust it, say so with `--url {}`", url.value)));
    }
    let ui = Ui::new(
        pick(global.output, &files, "output", Format::Text)?,
        pick(global.color, &files, "color", ColorChoice::Auto)?,
        early_ui(global).talk,
    );
    let trust = trust(global, &files)?;
    Ok(Decided {
        ui,
        settings: Settings {
            url: url.value,
            trust,
            auth: auth.map(|f| AuthFile {
                path: f.value,
                commands: match f.whose {
                    Whose::Users => Commands::Allowed,
                    Whose::Anybodys => Commands::Refused,
                },
            }),
        },
    })
}

fn trust(global: &Global, files: &[File]) -> Result<Trust, CliError> {
    if global.insecure {
        return Ok(Trust::Anyone);
    }
    if let Some(path) = &global.cacert {
        return Ok(Trust::Also(path.clone()));
    }
    // Files of the current folder do not weaken anything.
    for file in files.iter().filter(|f| f.whose == Whose::Users) {
        if let Some(path) = file.get("cacert") {
            return Ok(Trust::Also(home_relative(&path)));
        }
        match file.get("insecure").as_deref() {
            None | Some("no" | "false" | "0") => {}
            Some("yes" | "true" | "1") => return Ok(Trust::Anyone),
            Some(other) => return Err(file.bad("insecure", other, "yes, no")),
        }
    }
    Ok(Trust::System)
}

fn pick<T: clap::ValueEnum>(given: Option<T>, files: &[File], key: &str, default: T) -> Result<T, CliError> {
    if let Some(value) = given {
        return Ok(value);
    }
    for file in files {
        if let Some(word) = file.get(key) {
            return T::from_str(&word, true).map_err(|_| {
                let names: Vec<_> = T::value_variants()
                    .iter()
                    .filter_map(clap::ValueEnum::to_possible_value)
                    .map(|v| v.get_name().to_owned())
                    .collect();
                file.bad(key, &word, &names.join(", "))
            });
        }
    }
    Ok(default)
}

/// Who may have written a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Whose {
    #[default]
    Users,
    Anybodys,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    IsFine,
    IsAnError,
}

struct Found<T> {
    value: T,
    whose: Whose,
}

impl<T> Found<T> {
    fn users(value: T) -> Self {
        Self {
            value,
            whose: Whose::Users,
        }
    }
}

#[derive(Default)]
struct File {
    path: PathBuf,
    section: &'static str,
    ini: Option<Ini>,
    whose: Whose,
}

impl File {
    fn read(path: &Path, section: &'static str, whose: Whose, absent: Absent) -> Result<Self, CliError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && absent == Absent::IsFine => {
                return Ok(Self::default());
            }
            Err(e) => {
                return Err(CliError::usage(format!("cannot read the settings in `{}`", path.display())).cause(e));
            }
        };
        let mut ini = Ini::new();
        ini.read(text)
            .map_err(|e| CliError::usage(format!("cannot read the settings in `{}`", path.display())).cause(e))?;
        Ok(Self {
            path: path.to_path_buf(),
            section,
            ini: Some(ini),
            whose,
        })
    }

    fn get(&self, key: &str) -> Option<String> {
        let value = self.ini.as_ref()?.get(self.section, key)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    fn bad(&self, key: &str, value: &str, allowed: &str) -> CliError {
        CliError::usage(format!("`{}` has `{key} = {value}`", self.path.display()))
            .hint(format!("allowed values: {allowed}"))
    }
}

fn first(files: &[File], keys: &[&str]) -> Option<Found<String>> {
    files.iter().find_map(|file| {
        let value = keys.iter().find_map(|key| file.get(key))?;
        Some(Found {
            value,
            whose: file.whose,
        })
    })
}

/// The user's home folder.
pub(crate) fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// `$XDG_CONFIG_HOME/im` or `~/.config/im`.
pub(crate) fn own_folder() -> Option<PathBuf> {
    env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| home().map(|h| h.join(".config")))
        .map(|p| p.join("im"))
}

fn home_relative(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
