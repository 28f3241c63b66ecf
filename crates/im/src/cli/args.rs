//! The words of the command line, as clap reads them. What they mean is in `commands`.
//!
//! The words of `im_client` that mean the same are understood too, hidden; its flags `-a` and `-r` as well.

use super::ui::{ColorChoice, Format};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

const EXAMPLES: &str = "\
First steps:
  im check cluster.radl         Is the document right? Nothing is contacted
  im create cluster.radl        Deploy and configure it, watching
  im ssh ID                     Log in to its first machine
  im log -f ID                  Read what configuration does
  im destroy ID                 Remove all of it

The service is named by `--url` or IM_URL, your credentials by `--auth` or IM_AUTH (a file).
Exit codes: 0 done, 1 refused or failed, 2 usage, 3 service not reached, 130 interrupted.";

/// Deploys and configures virtual infrastructures on any cloud.
#[derive(Debug, Parser)]
#[command(name = "im", version, after_help = EXAMPLES, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Address of the service, if it is not the one of the settings file or port 8800 of this machine
    #[arg(long, short = 'r', aliases = ["rest-url", "restapi-url"], env = "IM_URL", global = true, value_name = "URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// File with your credentials (line or JSON form)
    #[arg(long, short, alias = "auth_file", env = "IM_AUTH", hide_env_values = true, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) auth: Option<PathBuf>,
    /// Form of the results: `text`, or `json` (errors too, on standard error)
    #[arg(long, short, global = true, value_name = "FORM", hide_possible_values = true)]
    pub(crate) output: Option<Format>,
    /// When to use colours: `auto`, `always`, `never`
    #[arg(long, global = true, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Option<ColorChoice>,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say what is asked of the service
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Trust whatever certificate the service shows
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// Trust certificates issued by these authorities too (PEM)
    #[arg(long, env = "IM_CACERT", hide_env_values = true, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,
}

/// A document to send.
#[derive(Args, Clone, Debug)]
pub(crate) struct DocumentArgs {
    /// The document: RADL, RADL-JSON (`.json`, `.jsn`) or TOSCA (`.yaml`, `.yml`); `-` reads standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Its language, when the name does not tell: `radl`, `json` (RADL), `tosca`
    #[arg(long, value_name = "LANGUAGE", hide_possible_values = true)]
    pub(crate) format: Option<Language>,
    /// Send it without checking it here first
    #[arg(long)]
    pub(crate) no_check: bool,
}

/// Language of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// RADL, plain form.
    Radl,
    /// RADL, JSON form.
    Json,
    /// TOSCA (YAML).
    Tosca,
}

/// Form of RADL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Plain.
    Radl,
    /// JSON.
    Json,
}

/// Whether to wait.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DetachArgs {
    /// Return as soon as the service has accepted
    #[arg(long, short, visible_alias = "async")]
    pub(crate) detach: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service
    Serve {
        /// The service's settings; without it, those of the usual places, ending with /etc/im/im.cfg
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
    /// List and rotate the keys that seal secrets in the service's database
    ///
    /// For operators: works on files of this machine, whether the service runs or not.
    Keys {
        /// The service's settings; without it, those of the usual places, ending with /etc/im/im.cfg
        #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
        /// What to do with them
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Create an infrastructure and watch it until it is configured
    ///
    /// Prints the new id on standard output, progress and summary on standard error. Exit code 0 only if all of it
    /// is configured. Ctrl-C detaches: the service goes on, `im log -f ID` comes back.
    #[command(after_help = "Examples:\n  im create cluster.radl\n  id=$(im create --detach cluster.radl)")]
    Create {
        #[command(flatten)]
        document: DocumentArgs,
        #[command(flatten)]
        detach: DetachArgs,
    },
    /// List your infrastructures
    #[command(visible_alias = "ls")]
    List {
        /// Only those whose document this regular expression matches
        #[arg(long, value_name = "REGEX")]
        filter: Option<String>,
        /// State, number of machines and name too
        #[arg(long, short)]
        long: bool,
    },
    /// Show an infrastructure, one of its machines or one property of a machine
    #[command(after_help = "Examples:\n  im show ID\n  im show ID 0\n  im show ID 0 cpu.count\n  im show ID --radl")]
    #[command(aliases = ["getinfo", "getvminfo"])]
    Show {
        /// The infrastructure; the first characters of its id are enough
        id: String,
        /// The machine's number; its full description is printed, credentials included
        vm: Option<u32>,
        /// A feature of the machine, such as `net_interface.0.ip`
        property: Option<String>,
        /// The infrastructure's document
        #[arg(long, conflicts_with = "vm")]
        radl: bool,
        /// The TOSCA document it was made from
        #[arg(long, conflicts_with_all = ["vm", "radl"])]
        tosca: bool,
    },
    /// Show what the TOSCA document of an infrastructure tells about it, from its machines as they are now
    ///
    /// Exit code 1 if a value cannot be told (yet); the reason is on standard error.
    #[command(
        alias = "getoutputs",
        after_help = "Examples:\n  im outputs ID\n  im outputs ID kube_endpoint"
    )]
    Outputs {
        /// The infrastructure
        id: String,
        /// Only this one, bare
        name: Option<String>,
    },
    /// Tell the state of an infrastructure and its machines
    #[command(alias = "getstate")]
    State {
        /// The infrastructure
        id: String,
    },
    /// Wait until nothing is under way any more; exit code 0 if configured
    Wait {
        /// The infrastructure
        id: String,
        /// Give up after so many seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Read the configuration log
    #[command(aliases = ["getcontmsg", "getvmcontmsg"])]
    Log {
        /// The infrastructure
        id: String,
        /// Only this machine's
        vm: Option<u32>,
        /// Go on until nothing is under way any more
        #[arg(long, short)]
        follow: bool,
        /// Without the logs of the machines
        #[arg(long, conflicts_with = "vm")]
        header: bool,
    },
    /// Add machines: those the document deploys
    #[command(alias = "addresource")]
    Add {
        /// The infrastructure
        id: String,
        #[command(flatten)]
        document: DocumentArgs,
        /// Do not configure afterwards
        #[arg(long)]
        no_configure: bool,
        #[command(flatten)]
        detach: DetachArgs,
    },
    /// Remove machines
    #[command(alias = "removeresource")]
    Remove {
        /// The infrastructure
        id: String,
        /// Numbers of the machines
        #[arg(required = true, value_name = "VM", value_delimiter = ',')]
        vms: Vec<u32>,
        /// Do not configure the others afterwards
        #[arg(long)]
        no_configure: bool,
        #[command(flatten)]
        detach: DetachArgs,
    },
    /// Run configuration again, with a changed document if one is given
    Reconfigure {
        /// The infrastructure
        id: String,
        /// New recipes, contextualize section, credentials or applications
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
        /// Its language, when the name does not tell: `radl`, `json` (RADL), `tosca`
        #[arg(long, value_name = "LANGUAGE", hide_possible_values = true, requires = "file")]
        format: Option<Language>,
        /// Send it without checking it here first
        #[arg(long, requires = "file")]
        no_check: bool,
        /// Only on these machines
        #[arg(long, value_name = "VM,VM…", value_delimiter = ',')]
        vms: Vec<u32>,
        #[command(flatten)]
        detach: DetachArgs,
    },
    /// Start an infrastructure or one machine
    #[command(alias = "startvm")]
    Start(PowerArgs),
    /// Stop an infrastructure or one machine
    #[command(alias = "stopvm")]
    Stop(PowerArgs),
    /// Restart an infrastructure or one machine
    #[command(alias = "rebootvm")]
    Reboot(PowerArgs),
    /// Change a machine: processors, memory, disks
    #[command(alias = "altervm")]
    Alter {
        /// The infrastructure
        id: String,
        /// The machine's number
        vm: u32,
        #[command(flatten)]
        document: DocumentArgs,
    },
    /// Remove infrastructures and everything they hold
    Destroy {
        /// The infrastructures
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Go on when the cloud refuses to remove something
        #[arg(long, short)]
        force: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        detach: DetachArgs,
    },
    /// Look at what the service does or did: list, show, retry, cancel, abandon
    #[command(visible_alias = "ops", disable_help_subcommand = true)]
    Operations {
        /// What to do
        #[command(subcommand)]
        command: OperationsCommand,
    },
    /// Give an infrastructure up: it is forgotten, and everything it has stays at the cloud
    ///
    /// For clouds that are gone or locked. No cloud is contacted. Lists what stays, with cloud, account and id: it is
    /// yours to remove.
    Abandon {
        /// The infrastructure
        id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Check documents without contacting anything; exit code 0 accepted, 1 refused, 2 usage
    Check {
        /// The documents; `-` reads standard input
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Their language, when the names do not tell: `radl`, `json` (RADL), `tosca`
        #[arg(long, value_name = "LANGUAGE", hide_possible_values = true)]
        format: Option<Language>,
        /// Tell so many errors of a document at most, and as many warnings
        #[arg(long, value_name = "N", default_value_t = im_radl::Limits::default().diagnostics)]
        most: usize,
        #[command(flatten)]
        maps: MapArgs,
    },
    /// Explain a code that `check` tells, such as R0107; without one, list them
    Explain {
        /// The code
        code: Option<String>,
    },
    /// Lay documents out, one feature a line, keeping comments; files are rewritten in place
    Fmt {
        /// The documents; `-` reads standard input and writes standard output
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Change nothing; name the files that are not laid out, and exit with 1 if there are any
        #[arg(long)]
        check: bool,
    },
    /// Tell what a document means before anything is done: machines, networks, steps, shares of clouds
    ///
    /// Calls no cloud.
    #[command(
        after_help = "Examples:\n  im plan cluster.radl\n  im plan cluster.yaml --graph svg > cluster.svg\n  im plan cluster.yaml --against ID"
    )]
    Plan(PlanArgs),
    /// Print a document in the other form of RADL: plain as JSON, JSON and TOSCA as plain
    Convert {
        /// The document; `-` reads standard input
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The form: `radl` or `json`
        #[arg(long, value_name = "FORM", hide_possible_values = true)]
        to: Option<Form>,
        #[command(flatten)]
        maps: MapArgs,
    },
    /// Log in to a machine, or run a command on it
    #[command(
        after_help = "The exit code is the command's.\n\nExamples:\n  im ssh ID\n  im ssh ID 1\n  im ssh ID 1 -- uname -a"
    )]
    #[command(alias = "sshvm")]
    Ssh {
        /// The infrastructure
        id: String,
        /// The machine's number
        #[arg(default_value_t = 0)]
        vm: u32,
        /// Command to run there
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Look for what bears the service's mark at your clouds and belongs to no infrastructure
    Orphans {
        #[command(subcommand)]
        command: OrphansCommand,
    },
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  im completion bash > /etc/bash_completion.d/im")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Tell the versions of this program and of the service
    #[command(alias = "getversion")]
    Version,
}

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys, with what each is for and how many values of the database are sealed with it
    #[command(visible_alias = "ls")]
    List,
    /// Make a key that opens but does not seal yet, so that every instance can have it before one uses it
    New {
        /// Print it instead of adding it to the key file: for keys that come from the environment
        #[arg(long)]
        print: bool,
    },
    /// Make the newest key the one that seals (a new one if there is none), and seal everything anew with it
    ///
    /// One that was interrupted is gone on with. The former key stays and opens.
    Rotate,
    /// Remove a key that nothing is sealed with any more
    Drop {
        /// The key, as `im keys list` names it
        id: im_store::KeyId,
    },
}

/// Where files that TOSCA documents name are read instead.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct MapArgs {
    /// Read what begins with this URL from a folder, or from another URL; may be repeated, the longest prefix wins
    #[arg(long = "map", value_name = "URL_PREFIX=FOLDER_OR_URL")]
    pub(crate) maps: Vec<im_tosca::Mirror>,
}

impl MapArgs {
    /// All of them together.
    pub(crate) fn mirrors(&self) -> im_tosca::Mirrors {
        self.maps.iter().cloned().collect()
    }
}

/// What to plan.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    #[command(flatten)]
    pub(crate) maps: MapArgs,
    /// Draw it: `dot` for Graphviz, or `svg`
    #[arg(long, value_name = "FORM", hide_possible_values = true)]
    pub(crate) graph: Option<Graph>,
    /// Fetch nothing: types are the built-in ones, and recipes are not read
    #[arg(long, conflicts_with = "against")]
    pub(crate) offline: bool,
    /// Tell what it would change in this infrastructure
    #[arg(long, value_name = "ID", conflicts_with = "graph")]
    pub(crate) against: Option<String>,
}

/// Form of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Graph {
    /// The DOT language.
    Dot,
    /// A picture.
    Svg,
}

/// What to do with operations.
#[derive(Debug, Subcommand)]
pub(crate) enum OperationsCommand {
    /// List the operations of an infrastructure that have not ended
    #[command(visible_alias = "ls")]
    List {
        /// The infrastructure
        id: String,
        /// Those that have ended, too
        #[arg(long, short = 'A')]
        all: bool,
    },
    /// Show an operation: its steps, what went wrong, what may remain at the cloud
    Show {
        /// The operation
        operation: String,
    },
    /// Let one go on that is stuck, or waits for credentials; those you send are used if they are of its account
    Retry {
        /// The operation
        operation: String,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// End one, and remove what it made
    Cancel {
        /// The operation
        operation: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// End one without asking a cloud; what it made may stay there
    Abandon {
        /// The operation
        operation: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        wait: WaitArgs,
    },
}

/// Whether to wait where that is not usual.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct WaitArgs {
    /// Return when it has ended, or cannot go on
    #[arg(long, short)]
    pub(crate) wait: bool,
}

/// What to do about orphans.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum OrphansCommand {
    /// Tell what there is: `dead` was removed before, `unknown` has no record, `left behind` is of a forced destroy
    #[command(visible_alias = "ls")]
    List,
    /// Remove what is dead: nothing else, since a database put back from a copy knows nothing of later machines
    Remove,
}

/// What to start, stop or restart.
#[derive(Args, Clone, Debug)]
pub(crate) struct PowerArgs {
    /// The infrastructure
    pub(crate) id: String,
    /// Only this machine
    pub(crate) vm: Option<u32>,
}
