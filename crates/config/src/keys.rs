//! The table of all keys: name, type, default, what it does.

use crate::{JsonSecret, value::Value};
use im_model::Secret;
use std::fmt;

/// Section of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[im]`.
    Im,
    /// `[OpenNebula]`.
    OpenNebula,
}

impl Section {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "im" => Some(Self::Im),
            "OpenNebula" => Some(Self::OpenNebula),
            _ => None,
        }
    }
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The original's 2.0 has it too.
    Shared,
    /// The original's 1.x had it.
    Old,
    /// Ours.
    Own,
}

/// Whether a key does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what the manual says.
    Works,
    /// It is read and will work in a later version.
    Later,
    /// It is read, so that files for the original need no change; there is nothing that it could do.
    Nothing,
}

/// A key.
pub struct Key {
    /// Its section.
    pub section: Section,
    /// Its name, in capitals.
    pub name: &'static str,
    /// Its type, for people.
    pub kind: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it works.
    pub effect: Effect,
    /// What it does.
    pub text: &'static str,
    pub(crate) default: fn(&Config) -> String,
    pub(crate) set: fn(&mut Config, &str) -> Result<(), &'static str>,
}

impl Key {
    /// Its default, as it would be written.
    pub fn default(&self) -> String {
        (self.default)(&Config::default())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! keys {
    ($($section:ident $name:literal $field:ident: $kind:ty = $default:expr, $origin:ident $effect:ident, $text:literal;)+) => {
        /// The values of all keys.
        #[derive(Clone)]
        pub struct Config {
            $(#[doc = concat!("`", $name, "`: ", $text)] pub $field: $kind,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        /// All keys, in the order of the manual.
        pub static KEYS: &[Key] = &[$(Key {
            section: Section::$section,
            name: $name,
            kind: <$kind as Value>::NAME,
            origin: Origin::$origin,
            effect: Effect::$effect,
            text: $text,
            default: |config| Value::show(&config.$field),
            set: |config, text| {
                config.$field = <$kind as Value>::read(text).ok_or(<$kind as Value>::HINT)?;
                Ok(())
            },
        },)+];
    };
}

/// Values may be secret or hold secrets (a database's URL): none is shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn nothing() -> JsonSecret {
    JsonSecret(serde_json::json!({}))
}

keys! {
    // What is kept, and who is let in.
    Im "DATA_DB" data_db: String = text("/etc/im/inf.dat"), Shared Works,
        "The database. A path or `sqlite:///path` is a file of SQLite, for one instance. The environment's `IM_DATA_DB` wins. Where nothing sets it and its default cannot be written, the user's own state folder is taken (`~/.local/state/im/inf.dat`).";
    Im "KEY_FILE" key_file: Option<String> = None, Own Works,
        "The file with the keys that seal secrets in the database. Made at the first start, readable by its owner alone. Without it nothing secret in the database can be read: keep a copy, but never in the same place as copies of the database. By default the database's path with `.key` after it.";
    Im "USER_DB" user_db: String = text(""), Shared Works,
        "A JSON file `{\"users\": [{\"username\": …, \"password\": …}]}`: only these may use the service. It is read again when it changes. Empty: any name with any password names an account.";
    Im "ADMIN_USER" admin_user: JsonSecret = nothing(), Shared Works,
        "Who sees and operates everything: an object or an array of objects with `username` and `password`.";
    Im "BOOT_MODE" boot_mode: u32 = 0, Shared Works,
        "0: everything is allowed; 1: reading alone; 2: reading, and destroying infrastructures.";
    Im "ALLOWED_LOCAL_HOSTS" allowed_local_hosts: String = text(""), Own Works,
        "Hosts that callers may name in credentials although they are refused by default: loopback, link-local and the service's own addresses, and Unix sockets. A list of `host`, `host:port`, `[v6]:port`, `unix:///path` or `*` for all. Beware: who may use `unix:///var/run/docker.sock` is root on this machine.";

    // Launching machines.
    Im "MAX_SIMULTANEOUS_LAUNCHES" max_simultaneous_launches: Option<u32> = None, Shared Works,
        "How many calls that create or delete machines run at once, per operation and cloud. Not set: as many as are good for a cloud (the original: 1).";
    Im "MAX_VM_FAILS" max_vm_fails: u32 = 3, Shared Works,
        "Attempts to launch a machine.";
    Im "DELAY_BETWEEN_VM_RETRIES" delay_between_vm_retries: u64 = 5, Shared Works,
        "Seconds between two attempts.";
    Im "WAIT_RUNNING_VM_TIMEOUT" wait_running_vm_timeout: u64 = 1800, Shared Works,
        "Seconds that a machine may take to run.";
    Im "WAIT_SSH_ACCCESS_TIMEOUT" wait_ssh_access_timeout: u64 = 300, Shared Works,
        "Seconds that the master may take to let the service log in. (The name is spelled so.)";
    Im "WAIT_PUBLIC_IP_TIMEOUT" wait_public_ip_timeout: u64 = 90, Shared Works,
        "Seconds that a public address may take to appear.";
    Im "VM_INFO_UPDATE_FREQUENCY" vm_info_update_frequency: u64 = 10, Shared Works,
        "Seconds for which what a cloud said of a machine is believed before it is asked again.";
    Im "VM_INFO_UPDATE_ERROR_GRACE_PERIOD" vm_info_update_error_grace_period: u64 = 120, Shared Works,
        "Seconds after which a machine of which no cloud says anything becomes `unknown`.";
    Im "CLOUD_CALL_TIMEOUT" cloud_call_timeout: u64 = 120, Own Works,
        "Seconds that one call of a cloud may take.";
    Im "OPERATION_LEASE" operation_lease: u64 = 30, Own Works,
        "Seconds after which another instance takes over what a dead one was doing.";
    Im "CREDENTIALS_KEEP_TIME" credentials_keep_time: u64 = 3600, Own Works,
        "Seconds for which an operation that has removed something keeps the credentials it came with, sealed, at most: what was removed is searched for once more when no late call can make it again. 0: they are dropped with the answer, and that search waits for the next call that brings some.";
    Im "ORPHANS_CHECK_INTERVAL" orphans_check_interval: u64 = 600, Own Works,
        "Seconds after which a call of a user that changes something has the user's clouds looked through again, for what bears this service's mark and belongs to nothing. 0: only `im orphans` does it.";
    Im "HOUSEKEEPING_INTERVAL" housekeeping_interval: u64 = 3600, Own Works,
        "Seconds between two times that the database is pruned; 0: never.";
    Im "HISTORY_DAYS" history_days: u32 = 30, Own Works,
        "Days for which operations that have ended, their steps, and the marks of what was removed are remembered; feed and logs of a deleted infrastructure, too.";
    Im "EVENTS_KEPT" events_kept: u64 = 10_000, Own Works,
        "Events of an infrastructure that are kept. A reader who asks for older ones is told to read the state anew.";
    Im "DEFAULT_VM_MEMORY" default_vm_memory: u32 = 512, Shared Works,
        "Memory of a machine whose document says nothing.";
    Im "DEFAULT_VM_MEMORY_UNIT" default_vm_memory_unit: String = text("M"), Shared Works,
        "The unit of it.";
    Im "DEFAULT_VM_CPUS" default_vm_cpus: u32 = 1, Shared Works,
        "Processors of a machine whose document says nothing.";
    Im "DEFAULT_VM_CPU_ARCH" default_vm_cpu_arch: String = text("x86_64"), Shared Works,
        "Architecture of a machine whose document says nothing.";
    Im "DEFAULT_VM_NAME" default_vm_name: String = text("vnode-#N#"), Shared Works,
        "Host name of a machine whose document says nothing; `#N#` becomes its number.";
    Im "DEFAULT_DOMAIN" default_domain: String = text("localdomain"), Shared Works,
        "Domain of host names that have none.";
    Im "PRIVATE_NET_MASKS" private_net_masks: Vec<String> = list(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15"]), Shared Works,
        "Ranges of addresses that count as private.";
    Im "VERIFI_SSL" verify_ssl: bool = false, Shared Works,
        "Whether certificates of clouds are checked. (The name is spelled so.)";
    Im "CLOUD_CA_CERTS" cloud_ca_certs: Option<String> = None, Own Works,
        "A PEM file with authorities to trust for clouds, beside the system's.";
    Im "DOCKER_PUBLISH_ADDRESS" docker_publish_address: Option<String> = None, Own Works,
        "The address on which ports of Docker containers are published. By default loopback where the daemon is on this machine, all addresses of its host otherwise.";
    Im "VM_TAG_USERNAME" vm_tag_username: Option<String> = None, Shared Works,
        "Name of the tag that tells a cloud the user's name.";
    Im "VM_TAG_INF_ID" vm_tag_inf_id: Option<String> = None, Shared Works,
        "Name of the tag that tells the infrastructure's id.";
    Im "VM_TAG_IM_URL" vm_tag_im_url: Option<String> = None, Shared Works,
        "Name of the tag that tells this service's URL (`REST_PUBLIC_URL`).";
    Im "VM_TAG_IM" vm_tag_im: Option<String> = None, Shared Works,
        "Name of the tag that says which program made the machine.";

    // Configuring machines.
    Im "REMOTE_CONF_DIR" remote_conf_dir: String = text("/var/tmp/.im"), Shared Works,
        "Folder on the master for what configuration needs.";
    Im "MAX_CONTEXTUALIZATION_TIME" max_contextualization_time: u64 = 7200, Shared Works,
        "Seconds that configuration may take where the document says nothing, all that it waits for included.";
    Im "PLAYBOOK_RETRIES" playbook_retries: u32 = 1, Shared Works,
        "Attempts at each step of configuration.";
    Im "ANSIBLE_INSTALL_TIMEOUT" ansible_install_timeout: u64 = 500, Shared Works,
        "Seconds that getting Ansible onto the master may take.";
    Im "ANSIBLE_INSTALL_ORDER" ansible_install_order: Vec<String> = list(&["image", "pip", "packages"]), Own Works,
        "Where the master gets Ansible from, in the order tried: `image` (what is there), `pip`, `packages` (of its distribution).";
    Im "ANSIBLE_VERSION" ansible_version: Option<String> = None, Own Works,
        "The version of Ansible that `pip` installs. A document's own wish wins.";
    Im "SSH_REVERSE_TUNNELS" ssh_reverse_tunnels: bool = true, Shared Later,
        "Whether machines without a public address may connect to the master by themselves.";
    Im "CONTEXTUALIZATION_DIR" contextualization_dir: Option<String> = None, Shared Nothing,
        "What the master needs is part of the program.";
    Im "RECIPES_DIR" recipes_dir: Option<String> = None, Shared Nothing,
        "What the master needs is part of the program.";
    Im "RECIPES_DB_FILE" recipes_db_file: Option<String> = None, Shared Nothing,
        "Without effect in the original, too.";
    Im "CHECK_CTXT_PROCESS_INTERVAL" check_ctxt_process_interval: u64 = 10, Shared Nothing,
        "The end of a step is told, not asked for.";
    Im "CONFMAMAGER_CHECK_STATE_INTERVAL" confmanager_check_state_interval: u64 = 5, Shared Nothing,
        "Changes of state are told, not asked for.";
    Im "UPDATE_CTXT_LOG_INTERVAL" update_ctxt_log_interval: u64 = 20, Shared Nothing,
        "Logs arrive as they are written.";
    Im "VM_NUM_USE_CTXT_DIST" vm_num_use_ctxt_dist: u32 = 30, Shared Nothing,
        "The way of configuring does not change with the number of machines.";
    Im "MAX_SSH_ERRORS" max_ssh_errors: u32 = 5, Shared Nothing,
        "A connection to the master that breaks is opened again until configuration's time is over.";

    // The API.
    Im "REST_ADDRESS" rest_address: String = text("0.0.0.0"), Shared Works,
        "Address to listen on.";
    Im "REST_PORT" rest_port: u16 = 8800, Shared Works,
        "Port to listen on; 0 takes a free one and says which.";
    Im "REST_ROOT_PATH" rest_root_path: String = text("/"), Shared Works,
        "Prefix of the API's paths and of URIs in answers, where a proxy passes on `/im/…`, say. Paths without it are answered too.";
    Im "REST_PUBLIC_URL" rest_public_url: Option<String> = None, Own Works,
        "The URL by which others reach this service; what `VM_TAG_IM_URL` tells.";
    Im "TRUSTED_PROXIES" trusted_proxies: String = text("127.0.0.1, ::1"), Own Works,
        "Addresses or ranges of proxies whose `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix` are believed; `*` for all. The environment's `FORWARDED_ALLOW_IPS` stands in where this is not set.";
    Im "REST_SSL" rest_ssl: bool = false, Shared Works,
        "Whether to speak TLS.";
    Im "REST_SSL_KEYFILE" rest_ssl_keyfile: String = text("/etc/im/pki/server-key.pem"), Shared Works,
        "The key for it (PEM).";
    Im "REST_SSL_CERTFILE" rest_ssl_certfile: String = text("/etc/im/pki/server-cert.pem"), Shared Works,
        "The certificate for it (PEM), with its chain.";
    Im "REST_SSL_CA_CERTS" rest_ssl_ca_certs: String = text("/etc/im/pki/ca-chain.pem"), Shared Nothing,
        "Clients are never asked for certificates; put the chain into `REST_SSL_CERTFILE`.";
    Im "ENABLE_CORS" enable_cors: bool = false, Shared Works,
        "Whether scripts of other sites may call the API from browsers.";
    Im "CORS_ORIGIN" cors_origin: String = text("*"), Shared Works,
        "Which: one origin, or `*` for any.";
    Im "REST_BLOCKING_CALL_TIMEOUT" rest_blocking_call_timeout: u64 = 0, Shared Works,
        "Seconds after which a call answers 504, while what it began goes on; 0: never.";
    Im "REST_MAX_BODY" rest_max_body: u64 = 16_777_216, Own Works,
        "Largest body of a request in bytes.";
    Im "MAX_DOCUMENT_SIZE" max_document_size: u64 = 16_777_216, Own Works,
        "Largest document in bytes.";
    Im "MAX_DOCUMENT_NESTING" max_document_nesting: u32 = 32, Own Works,
        "How deep `soft` and `contains` of a document may nest; 256 at most.";
    Im "MAX_DOCUMENT_LIST" max_document_list: u32 = 10_000, Own Works,
        "Longest list in a document.";
    Im "MAX_DOCUMENT_VMS" max_document_vms: u32 = 100_000, Own Works,
        "How many machines one document may deploy.";
    Im "MAX_DIAGNOSTICS" max_diagnostics: u32 = 50, Own Works,
        "How many errors in a document are told, and as many warnings.";
    Im "REST_MAX_BLOCKING_CALLS" rest_max_blocking_calls: u32 = 32, Shared Nothing,
        "Calls that wait cost nothing here; there is no limit to their number.";
    Im "ACTIVATE_REST" activate_rest: bool = true, Shared Nothing,
        "The API is always on.";
    Im "STATIC_FILES_DIR" static_files_dir: Option<String> = None, Shared Later,
        "A folder whose files are served below `/static/`.";

    // The log.
    Im "LOG_FILE" log_file: String = text("/var/log/im/inf.log"), Shared Works,
        "The log; `-` is standard error, where it also goes when the file cannot be written.";
    Im "LOG_FILE_MAX_SIZE" log_file_max_size: u64 = 10_485_760, Shared Works,
        "Bytes after which the log is put aside and a new one begun; three old ones are kept.";
    Im "LOG_LEVEL" log_level: String = text("INFO"), Shared Works,
        "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`; anything else counts as `WARNING`. Secrets are not logged at any level.";

    // Tokens and secrets kept elsewhere.
    Im "FORCE_OIDC_AUTH" force_oidc_auth: bool = false, Shared Works,
        "Lets in by token alone.";
    Im "OIDC_ISSUERS" oidc_issuers: Vec<String> = Vec::new(), Shared Later,
        "Whose tokens are accepted.";
    Im "OIDC_AUDIENCE" oidc_audience: Option<String> = None, Shared Later,
        "For whom a token must be.";
    Im "OIDC_CLIENT_ID" oidc_client_id: Option<String> = None, Shared Later,
        "This service's name at the issuer, for introspection.";
    Im "OIDC_CLIENT_SECRET" oidc_client_secret: Option<Secret> = None, Shared Later,
        "Its secret there.";
    Im "OIDC_SCOPES" oidc_scopes: Vec<String> = Vec::new(), Shared Later,
        "Scopes that a token must have.";
    Im "OIDC_GROUPS" oidc_groups: Vec<String> = Vec::new(), Shared Later,
        "Groups that a token's owner must be in.";
    Im "OIDC_GROUPS_CLAIM" oidc_groups_claim: String = text("groups"), Shared Later,
        "The claim that holds them.";
    Im "OIDC_ADMIN_GROUPS" oidc_admin_groups: JsonSecret = JsonSecret(serde_json::json!([])), Shared Later,
        "Groups of administrators: an array of objects with `issuer` and `group`.";
    Im "VAULT_URL" vault_url: Option<String> = None, Shared Later,
        "A Vault that keeps users' credentials.";
    Im "VAULT_MOUNT_POINT" vault_mount_point: Option<String> = None, Shared Later,
        "Where in it; `credentials/` when not set.";
    Im "VAULT_PATH" vault_path: Option<String> = None, Shared Later,
        "The path of a user's; `#USER_SUB#` becomes the token's subject. The user's entity id when not set.";
    Im "VAULT_ROLE" vault_role: Option<String> = None, Shared Later,
        "The role to log in with.";

    // Documents in TOSCA.
    Im "TOSCA_IMPORTS" tosca_imports: bool = true, Own Works,
        "Fetch what TOSCA documents name (imports, recipes) from where they say; `no`: only from mirrors and the built-in types.";
    Im "TOSCA_MIRRORS" tosca_mirrors: Vec<String> = list(&[]), Own Works,
        "Where files are read instead: a list of `URL_PREFIX=FOLDER` and `URL_PREFIX=URL`, the longest prefix wins.";
    Im "TOSCA_BUILT_IN_TYPES" tosca_built_in_types: String = text("fallback"), Own Works,
        "When the built-in copies of well-known types are used: `fallback` (the address does not answer), `prefer`, `never`.";

    // What else the original has.
    Im "INF_CACHE_TIME" inf_cache_time: u64 = 0, Shared Nothing,
        "Nothing in memory outlives its row in the database.";
    Im "OAIPMH_REPO_BASE_IDENTIFIER_URL" oaipmh_repo_base_identifier_url: Option<String> = None, Shared Works,
        "Where the documents are that others extend with `template_file`; no other place is allowed then. OAI-PMH: the base of identifiers.";
    Im "OAIPMH_REPO_NAME" oaipmh_repo_name: Option<String> = None, Shared Later,
        "OAI-PMH: name of the repository.";
    Im "OAIPMH_REPO_DESCRIPTION" oaipmh_repo_description: Option<String> = None, Shared Later,
        "OAI-PMH: what it is.";
    Im "OAIPMH_REPO_ADMIN_EMAIL" oaipmh_repo_admin_email: Option<String> = None, Shared Later,
        "OAI-PMH: whom to write to.";
    Im "VMINFO_JSON" vminfo_json: bool = false, Shared Later,
        "XML-RPC: whether machines are shown as JSON.";
    Im "ACTIVATE_XMLRPC" activate_xmlrpc: bool = true, Old Later,
        "XML-RPC: whether it is on.";
    Im "XMLRCP_PORT" xmlrpc_port: u16 = 8899, Old Later,
        "XML-RPC: port to listen on. (The name is spelled so, here and below.)";
    Im "XMLRCP_ADDRESS" xmlrpc_address: String = text("0.0.0.0"), Old Later,
        "XML-RPC: address to listen on.";
    Im "XMLRCP_SSL" xmlrpc_ssl: bool = false, Old Later,
        "XML-RPC: whether to speak TLS.";
    Im "XMLRCP_SSL_KEYFILE" xmlrpc_ssl_keyfile: String = text("/etc/im/pki/server-key.pem"), Old Later,
        "XML-RPC: the key for it.";
    Im "XMLRCP_SSL_CERTFILE" xmlrpc_ssl_certfile: String = text("/etc/im/pki/server-cert.pem"), Old Later,
        "XML-RPC: the certificate for it.";
    Im "XMLRCP_SSL_CA_CERTS" xmlrpc_ssl_ca_certs: String = text("/etc/im/pki/ca-chain.pem"), Old Nothing,
        "Clients are never asked for certificates.";
    Im "SINGLE_SITE" single_site: bool = false, Old Nothing,
        "Gone since 2.0 of the original.";
    Im "SINGLE_SITE_TYPE" single_site_type: Option<String> = None, Old Nothing,
        "Gone since 2.0 of the original.";
    Im "SINGLE_SITE_AUTH_HOST" single_site_auth_host: Option<String> = None, Old Nothing,
        "Gone since 2.0 of the original.";
    Im "SINGLE_SITE_IMAGE_URL_PREFIX" single_site_image_url_prefix: Option<String> = None, Old Nothing,
        "Gone since 2.0 of the original.";
    Im "OIDC_USER_INFO_PATH" oidc_user_info_path: String = text("/userinfo"), Old Nothing,
        "The issuer says where it is.";
    Im "OIDC_INSTROSPECT_PATH" oidc_introspect_path: String = text("/introspect"), Old Nothing,
        "The issuer says where it is.";

    // OpenNebula.
    OpenNebula "TEMPLATE_CONTEXT" opennebula_template_context: String = text(""), Shared Later,
        "Added to the context of every template.";
    OpenNebula "TEMPLATE_OTHER" opennebula_template_other: String = text("GRAPHICS = [type=\"vnc\",listen=\"0.0.0.0\"]"), Shared Later,
        "Added to every template.";
    OpenNebula "IMAGE_UNAME" opennebula_image_uname: String = text(""), Shared Later,
        "Owner of images that are named without one.";
    OpenNebula "TTS_URL" opennebula_tts_url: String = text("https://localhost:8443"), Old Nothing,
        "Gone since 2.0 of the original.";
}
