//! `im.cfg` and what each part of the service makes of it.

use super::{error::StartError, log::LogSettings, policy};
use im_api::{Options, Tls};
use im_auth::{Admins, Identities, Policy, TokenIssuers, Users};
use im_cloud::net::{AllowedHosts, Guard, Verification};
use im_cloud_docker::DockerOptions;
use im_config::{Config, ConfigError, Environment, Read, Source};
use im_ctxt::{CtxtOptions, InstallMethod};
use im_model::{InstanceId, Secret};
use im_ops::EngineOptions;
use im_service::{BootMode, Fetch, Housekeeping, ServiceOptions, TagNames, ToscaOptions};
use im_store::parse_data_db;
use im_tosca::{Embedded, Mirror, Mirrors};
use std::{
    env, fs,
    fs::{File, OpenOptions},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the operator decided.
pub(crate) struct Settings {
    read: Read,
    notes: Vec<String>,
}

impl Settings {
    /// Reads the file, or those of the usual places.
    pub(crate) fn load(config: Option<&Path>) -> Result<Self, Vec<StartError>> {
        let mut texts = Vec::new();
        match config {
            Some(path) => texts.push((path.to_owned(), text(path).map_err(|e| vec![e])?)),
            None => {
                for path in usual_places().into_iter().filter(|path| path.exists()) {
                    let text = text(&path).map_err(|e| vec![e])?;
                    texts.push((path, text));
                }
            }
        }
        let named: Vec<_> = texts
            .iter()
            .map(|(path, text)| (path.display().to_string(), text))
            .collect();
        let sources: Vec<_> = named.iter().map(|(name, text)| Source { name, text }).collect();
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let environment = Environment {
            data_db: set("IM_DATA_DB"),
            forwarded_allow_ips: set("FORWARDED_ALLOW_IPS"),
        };
        let read = Config::parse(&sources, &environment)
            .map_err(|errors| errors.into_iter().map(StartError::Config).collect::<Vec<_>>())?;
        let notes = read.warnings.clone();
        Ok(Self { read, notes })
    }

    fn config(&self) -> &Config {
        &self.read.config
    }

    fn wrong(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        self.read.error(key, message, hint)
    }

    /// For the log.
    pub(super) fn warnings(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn log(&self) -> LogSettings {
        let config = self.config();
        LogSettings {
            file: config.log_file.clone(),
            max_size: config.log_file_max_size,
            level: config.log_level.clone(),
        }
    }

    /// Where to listen.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.config().rest_address, self.config().rest_port)
    }

    /// Files for TLS, if it is wanted. Says here, not in the middle of serving, when one cannot be read.
    pub(super) fn tls(&self) -> Result<Option<Tls>, StartError> {
        let config = self.config();
        if !config.rest_ssl {
            return Ok(None);
        }
        let tls = Tls {
            key: config.rest_ssl_keyfile.clone().into(),
            certificate: config.rest_ssl_certfile.clone().into(),
        };
        for (what, path) in [("REST_SSL_KEYFILE", &tls.key), ("REST_SSL_CERTFILE", &tls.certificate)] {
            File::open(path).map_err(|cause| StartError::File {
                what,
                path: path.clone(),
                cause,
                hint: "name a PEM file that the service may read, or set REST_SSL = no",
            })?;
        }
        Ok(Some(tls))
    }

    /// The database. Where nobody says so and the usual place is not ours, one in the user's own folder.
    pub(crate) fn database(&self) -> Result<PathBuf, StartError> {
        let path = parse_data_db(&self.config().data_db).map_err(StartError::Database)?;
        if self.read.is_set("DATA_DB") || writable(&path) {
            return Ok(path);
        }
        let own = own_folder().map(|folder| folder.join("im/inf.dat"));
        let Some(own) = own else { return Ok(path) };
        tracing::warn!(
            "DATA_DB is not set and {} cannot be written: the database is {}",
            path.display(),
            own.display()
        );
        Ok(own)
    }

    /// The file with the keys.
    pub(crate) fn key_file(&self, database: &Path) -> PathBuf {
        self.config().key_file_for(database)
    }

    /// The keys themselves, where the environment brings them (`IM_KEYS`): they win over the file.
    pub(crate) fn keys_text() -> Option<Secret> {
        env::var("IM_KEYS")
            .ok()
            .filter(|text| !text.trim().is_empty())
            .map(Secret::new)
    }

    pub(super) fn guard(&self) -> Result<Guard, ConfigError> {
        let allowed = AllowedHosts::parse(&self.config().allowed_local_hosts).map_err(|e| {
            self.wrong(
                "ALLOWED_LOCAL_HOSTS",
                format!("entry {:?}: {}", e.entry, e.reason),
                "write a list such as `localhost, 127.0.0.1:2375, unix:///var/run/docker.sock`, or `*` for everything",
            )
        })?;
        Ok(Guard::new(allowed))
    }

    pub(super) fn docker(&self) -> Result<DockerOptions, StartError> {
        let config = self.config();
        let publish_address = match &config.docker_publish_address {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                self.wrong(
                    "DOCKER_PUBLISH_ADDRESS",
                    "the value is no IP address",
                    "write one of this machine's addresses, or remove the line",
                )
            })?),
        };
        let authorities = match &config.cloud_ca_certs {
            None => None,
            Some(path) => Some(
                fs::read_to_string(path)
                    .map(Secret::new)
                    .map_err(|cause| StartError::File {
                        what: "CLOUD_CA_CERTS",
                        path: path.into(),
                        cause,
                        hint: "name a PEM file that the service may read, or remove the line",
                    })?,
            ),
        };
        Ok(DockerOptions {
            publish_address,
            verification: if config.verify_ssl {
                Verification::Full
            } else {
                Verification::Off
            },
            authorities,
        })
    }

    pub(super) fn engine(&self) -> EngineOptions {
        let config = self.config();
        let mut options = EngineOptions::new(InstanceId::from(uuid::Uuid::new_v4().to_string()));
        options.lease = Duration::from_secs(config.operation_lease.max(3));
        options.max_attempts = config.max_vm_fails.max(1);
        options.retry_delay = Duration::from_secs(config.delay_between_vm_retries);
        options.call_deadline = Duration::from_secs(config.cloud_call_timeout.max(1));
        options.keep_requests = Duration::from_secs(config.credentials_keep_time);
        if let Some(most) = config.max_simultaneous_launches {
            options.max_parallel_calls = usize::try_from(most).unwrap_or(usize::MAX);
        }
        options
    }

    pub(super) fn service(&self, bound: SocketAddr) -> Result<ServiceOptions, ConfigError> {
        let config = self.config();
        let boot_mode = match config.boot_mode {
            0 => BootMode::Normal,
            1 => BootMode::ReadOnly,
            2 => BootMode::ReadDelete,
            _ => {
                return Err(self.wrong(
                    "BOOT_MODE",
                    "there is no such mode",
                    "write 0 (everything), 1 (reading) or 2 (reading and destroying)",
                ));
            }
        };
        let private_masks = config
            .private_net_masks
            .iter()
            .map(|mask| mask.parse())
            .collect::<Result<Vec<_>, im_service::CidrError>>()
            .map_err(|e| self.wrong("PRIVATE_NET_MASKS", e.to_string(), "correct it or remove the line"))?;
        let seconds = Duration::from_secs;
        Ok(ServiceOptions {
            boot_mode,
            policy: policy::source(self.policy()?, &config.user_db),
            default_cpus: config.default_vm_cpus.into(),
            default_memory: config.default_vm_memory.into(),
            default_memory_unit: config.default_vm_memory_unit.clone(),
            default_arch: config.default_vm_cpu_arch.clone(),
            refresh_after: seconds(config.vm_info_update_frequency),
            grace: seconds(config.vm_info_update_error_grace_period),
            call_deadline: seconds(config.cloud_call_timeout.max(1)),
            wait_running: seconds(config.wait_running_vm_timeout),
            wait_public_ip: seconds(config.wait_public_ip_timeout),
            private_masks,
            tags: TagNames {
                username: config.vm_tag_username.clone(),
                infra: config.vm_tag_inf_id.clone(),
                url: config.vm_tag_im_url.clone(),
                im: config.vm_tag_im.clone(),
            },
            reap_every: seconds(config.orphans_check_interval),
            housekeeping: Housekeeping {
                every: seconds(config.housekeeping_interval),
                events: config.events_kept.max(1),
                history: seconds(u64::from(config.history_days) * 24 * 3600),
            },
            url: self.public_url(bound),
            ctxt: self.contextualization()?,
            tosca: self.tosca()?,
            ..ServiceOptions::default()
        })
    }

    fn tosca(&self) -> Result<ToscaOptions, ConfigError> {
        let config = self.config();
        let mirrors = config.tosca_mirrors.iter().map(|text| text.parse::<Mirror>());
        let mirrors = mirrors.collect::<Result<Mirrors, _>>().map_err(|e| {
            self.wrong(
                "TOSCA_MIRRORS",
                e.to_string(),
                "write a list such as `https://raw.githubusercontent.com/grycap/tosca/main/=/srv/im/tosca`",
            )
        })?;
        let embedded = match config.tosca_built_in_types.as_str() {
            "fallback" => Embedded::Fallback,
            "prefer" => Embedded::Prefer,
            "never" => Embedded::Never,
            other => {
                return Err(self.wrong(
                    "TOSCA_BUILT_IN_TYPES",
                    format!("`{other}` is unknown"),
                    "write `fallback`, `prefer` or `never`",
                ));
            }
        };
        Ok(ToscaOptions {
            mirrors,
            fetch: if config.tosca_imports { Fetch::Yes } else { Fetch::No },
            embedded,
            repository: config.oaipmh_repo_base_identifier_url.clone(),
            ..ToscaOptions::default()
        })
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let config = self.config();
        let admins = Admins::from_json(&config.admin_user.0).map_err(|e| {
            self.wrong(
                "ADMIN_USER",
                e.to_string(),
                r#"write {"username": "…", "password": "…"}, or an array of them"#,
            )
        })?;
        Ok(Policy {
            users: Users::Anyone,
            admins,
            issuers: if config.oidc_issuers.is_empty() {
                TokenIssuers::None
            } else {
                TokenIssuers::Configured
            },
            identities: if config.force_oidc_auth {
                Identities::TokensOnly
            } else {
                Identities::Any
            },
        })
    }

    fn contextualization(&self) -> Result<CtxtOptions, ConfigError> {
        let config = self.config();
        let mut install = Vec::new();
        for word in &config.ansible_install_order {
            install.push(match word.as_str() {
                "image" => InstallMethod::Image,
                "pip" => InstallMethod::Pip,
                "packages" => InstallMethod::Packages,
                other => {
                    return Err(self.wrong(
                        "ANSIBLE_INSTALL_ORDER",
                        format!("there is no way {other:?}"),
                        "write a list of `image`, `pip` and `packages`",
                    ));
                }
            });
        }
        let seconds = Duration::from_secs;
        Ok(CtxtOptions {
            conf_dir: config.remote_conf_dir.clone(),
            ansible_version: config.ansible_version.clone(),
            install,
            install_timeout: seconds(config.ansible_install_timeout),
            retries: config.playbook_retries.max(1),
            max_time: seconds(config.max_contextualization_time),
            wait_master: seconds(config.wait_ssh_access_timeout),
            default_name: config.default_vm_name.clone(),
            default_domain: config.default_domain.clone(),
            ..CtxtOptions::default()
        })
    }

    pub(super) fn api(&self, bound: SocketAddr) -> Result<Options, ConfigError> {
        let config = self.config();
        let trusted_proxies = config
            .trusted_proxies
            .parse()
            .map_err(|e: im_api::TrustedProxiesError| {
                self.wrong(
                    "TRUSTED_PROXIES",
                    format!("entry {:?} is neither an address nor a range", e.entry),
                    "write a list such as `127.0.0.1, ::1, 10.0.0.0/8`, or `*` for all",
                )
            })?;
        let root = config.rest_root_path.trim_end_matches('/');
        if !(root.is_empty() || root.starts_with('/')) {
            return Err(self.wrong(
                "REST_ROOT_PATH",
                "the value does not begin with a slash",
                "write `/im`, say",
            ));
        }
        Ok(Options {
            root_path: root.to_owned(),
            trusted_proxies,
            fallback_host: host_and_port(bound),
            tls: config.rest_ssl,
            cors: config.enable_cors.then(|| config.cors_origin.clone()),
            max_body: usize::try_from(config.rest_max_body).unwrap_or(usize::MAX),
            documents: self.documents()?,
            call_timeout: match config.rest_blocking_call_timeout {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
            static_files: config.static_files_dir.is_some(),
            oai: config.oaipmh_repo_base_identifier_url.is_some()
                && config.oaipmh_repo_name.is_some()
                && config.oaipmh_repo_description.is_some(),
            ..Options::default()
        })
    }

    /// Bounds of documents.
    fn documents(&self) -> Result<im_radl::Limits, ConfigError> {
        let config = self.config();
        let most = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let nesting = most(config.max_document_nesting);
        if !(1..=im_radl::Limits::DEEPEST).contains(&nesting) {
            return Err(self.wrong(
                "MAX_DOCUMENT_NESTING",
                format!("the value is not between 1 and {}", im_radl::Limits::DEEPEST),
                "write 32, or remove the line",
            ));
        }
        Ok(im_radl::Limits {
            bytes: usize::try_from(config.max_document_size).unwrap_or(usize::MAX),
            nesting,
            list: most(config.max_document_list),
            vms: most(config.max_document_vms),
            diagnostics: most(config.max_diagnostics).max(1),
        })
    }

    /// What others call us, with a slash at the end: the operator's word, or the best guess.
    fn public_url(&self, bound: SocketAddr) -> String {
        let config = self.config();
        if let Some(url) = &config.rest_public_url {
            return format!("{}/", url.trim_end_matches('/'));
        }
        let scheme = if config.rest_ssl { "https" } else { "http" };
        let root = config.rest_root_path.trim_end_matches('/');
        format!("{scheme}://{}{root}/", host_and_port(bound))
    }
}

/// How others name the socket, as far as it tells.
fn host_and_port(bound: SocketAddr) -> String {
    if !bound.ip().is_unspecified() {
        return bound.to_string();
    }
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = match name.trim() {
        "" | "(none)" => "localhost",
        name => name,
    };
    format!("{name}:{}", bound.port())
}

/// Where the original looks, seen from this program; later ones win.
fn usual_places() -> Vec<PathBuf> {
    let program = env::current_exe().ok();
    let above = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    let mut places: Vec<_> = above
        .map(|folder| vec![folder.join("im.cfg"), folder.join("etc/im.cfg")])
        .unwrap_or_default();
    places.push("/etc/im/im.cfg".into());
    places
}

fn text(path: &Path) -> Result<String, StartError> {
    fs::read_to_string(path).map_err(|cause| StartError::File {
        what: "configuration file",
        path: path.to_owned(),
        cause,
        hint: "name a file that the service may read: docs/configuration.md says what goes into it",
    })
}

/// Whether a database can be kept there.
fn writable(path: &Path) -> bool {
    if let Some(folder) = path.parent() {
        match fs::create_dir_all(folder) {
            Ok(()) => {}
            Err(e) if refused(&e) => return false,
            Err(_) => return true,
        }
    }
    // The store takes this file as its lock in any case.
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    match OpenOptions::new().append(true).create(true).open(&lock) {
        Ok(_) => true,
        Err(e) => !refused(&e),
    }
}

/// Whether it is a matter of permission; anything else is for the store to tell.
fn refused(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn own_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        let source = Source { name: "im.cfg", text };
        Settings {
            read: Config::parse(&[source], &Environment::default()).unwrap(),
            notes: Vec::new(),
        }
    }

    fn bound(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_defaults_are_those_of_the_parts() {
        let settings = settings("");
        let any = bound("127.0.0.1:1");
        let engine = settings.engine();
        let usual = EngineOptions::new(engine.instance.clone());
        assert_eq!(
            (
                engine.lease,
                engine.max_attempts,
                engine.retry_delay,
                engine.max_parallel_calls
            ),
            (
                usual.lease,
                usual.max_attempts,
                usual.retry_delay,
                usual.max_parallel_calls
            )
        );
        let service = settings.service(any).unwrap();
        let usual = ServiceOptions::default();
        assert_eq!(service.refresh_after, usual.refresh_after);
        assert_eq!(service.grace, usual.grace);
        assert_eq!(service.call_deadline, usual.call_deadline);
        assert_eq!(service.private_masks, usual.private_masks);
        assert_eq!(service.ctxt.install, usual.ctxt.install);
        assert_eq!(service.ctxt.max_time, usual.ctxt.max_time);
        assert_eq!(service.ctxt.wait_master, usual.ctxt.wait_master);
        assert!(settings.guard().is_ok() && settings.docker().is_ok() && settings.api(any).is_ok());
        assert_eq!(settings.documents().unwrap(), im_radl::Limits::default());
        let own = self::settings(
            "[im]\nMAX_DOCUMENT_SIZE = 1000\nMAX_DOCUMENT_NESTING = 5\nMAX_DOCUMENT_LIST = 6\nMAX_DOCUMENT_VMS = 7\nMAX_DIAGNOSTICS = 8\n",
        );
        let own = own.api(any).unwrap().documents;
        assert_eq!(
            (own.bytes, own.nesting, own.list, own.vms, own.diagnostics),
            (1000, 5, 6, 7, 8)
        );
    }

    #[test]
    fn wrong_values_name_their_line() {
        let any = bound("127.0.0.1:1");
        for (line, part) in [
            ("BOOT_MODE = 3", "0 (everything)"),
            ("PRIVATE_NET_MASKS = 10.0.0.0", "10.0.0.0"),
            ("ADMIN_USER = {\"username\": 1}", "ADMIN_USER"),
            ("ANSIBLE_INSTALL_ORDER = image, conda", "conda"),
        ] {
            let error = settings(&format!("[im]\n{line}\n"))
                .service(any)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("im.cfg, line 2: ") && error.contains(part), "{error}");
        }
        for line in [
            "TRUSTED_PROXIES = proxy",
            "REST_ROOT_PATH = im",
            "MAX_DOCUMENT_NESTING = 0",
            "MAX_DOCUMENT_NESTING = 257",
        ] {
            let error = settings(&format!("[im]\n{line}\n")).api(any).unwrap_err().to_string();
            assert!(error.starts_with("im.cfg, line 2: "), "{error}");
        }
        let error = settings("[im]\nALLOWED_LOCAL_HOSTS = http://x\n").guard().unwrap_err();
        assert_eq!(error.line, 2);
        assert!(settings("[im]\nDOCKER_PUBLISH_ADDRESS = x\n").docker().is_err());
        assert!(
            settings("[im]\nREST_SSL = yes\nREST_SSL_KEYFILE = /none\n")
                .tls()
                .is_err()
        );
        assert!(settings("[im]\nDATA_DB = mysql://u:p@h/d\n").database().is_err());
    }

    #[test]
    fn urls() {
        let plain = settings("[im]\nREST_ROOT_PATH = /im/\n");
        assert_eq!(plain.public_url(bound("10.0.0.1:8800")), "http://10.0.0.1:8800/im/");
        let named = settings("[im]\nREST_PUBLIC_URL = https://im.example\n");
        assert_eq!(named.public_url(bound("0.0.0.0:8800")), "https://im.example/");
        assert!(host_and_port(bound("0.0.0.0:8800")).ends_with(":8800"));
    }
}
