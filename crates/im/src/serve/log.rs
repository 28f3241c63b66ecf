//! The log: lines in the form that tools for the original read, in a file that is put aside when it grows too large,
//! or on standard error.
//!
//! A line is one event: line feeds and other control characters in it are written as `\n` and the like, so that nobody
//! outside can make lines of their own.

use chrono::Local;
use std::{
    fmt::{self, Write as _},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Mutex,
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::set_global_default,
};
use tracing_subscriber::{
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

/// How many logs that were put aside are kept.
const KEPT: u32 = 3;

/// What `im.cfg` says of the log.
#[derive(Clone, Debug)]
pub(super) struct LogSettings {
    /// `LOG_FILE`; `-` is standard error.
    pub(super) file: String,
    /// `LOG_FILE_MAX_SIZE`; 0 is without end.
    pub(super) max_size: u64,
    /// `LOG_LEVEL`.
    pub(super) level: String,
}

/// Starts the log. The error says why it goes to standard error instead.
pub(super) fn start(settings: &LogSettings) -> Result<(), String> {
    let level = level(&settings.level);
    // Of others only what is wrong: their words at lower levels are not ours to answer for.
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::ERROR))
        .with_targets(OURS.iter().map(|name| (*name, level)));
    let (writer, result) = if settings.file == "-" {
        (Sink::Stderr, Ok(()))
    } else {
        match Rotating::open(Path::new(&settings.file), settings.max_size) {
            Ok(file) => (Sink::File(file), Ok(())),
            Err(e) => (Sink::Stderr, Err(format!("LOG_FILE {}: {e}", settings.file))),
        }
    };
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines)
        .with_ansi(false)
        .with_writer(Mutex::new(writer));
    let _ = set_global_default(tracing_subscriber::registry().with(filter).with(lines));
    result
}

/// Our crates, as targets of events begin.
const OURS: [&str; 2] = ["im::", "im_"];

fn level(word: &str) -> LevelFilter {
    match word {
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "ERROR" | "FATAL" | "CRITICAL" => LevelFilter::ERROR,
        _ => LevelFilter::WARN,
    }
}

/// `<date> <time>,<ms> - <logger> - <LEVEL> - <message>`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut words = Words::default();
        event.record(&mut words);
        let mut line = String::with_capacity(160);
        let metadata = event.metadata();
        let _ = write!(
            line,
            "{} - {} - {} - ",
            Local::now().format("%Y-%m-%d %H:%M:%S,%3f"),
            logger(metadata.target()),
            level_name(*metadata.level()),
        );
        if let Some(infra) = &words.infra {
            let _ = write!(line, "Inf ID: {infra}: ");
        }
        line.push_str(&words.message);
        line.push_str(&words.others);
        for span in ctx
            .event_scope()
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                let _ = write!(line, " [{}: {}]", span.name(), fields.fields);
            }
        }
        escape_into(&mut out, &line)?;
        writeln!(out)
    }
}

/// The original's names of the three parts that log.
fn logger(target: &str) -> &'static str {
    match target.split("::").next() {
        Some("im_ctxt") => "ConfManager",
        Some(name) if name.starts_with("im_cloud") => "CloudConnector",
        _ => "InfrastructureManager",
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

fn escape_into(out: &mut impl fmt::Write, line: &str) -> fmt::Result {
    for c in line.chars() {
        if c.is_control() && c != '\t' {
            write!(out, "{}", c.escape_default())?;
        } else {
            out.write_char(c)?;
        }
    }
    Ok(())
}

/// What an event says.
#[derive(Default)]
struct Words {
    message: String,
    infra: Option<String>,
    others: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "infra" => {
                self.infra = Some(format!("{value:?}"));
                Ok(())
            }
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

enum Sink {
    Stderr,
    File(Rotating),
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr => io::stderr().lock().write(line),
            Self::File(file) => file.write(line),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().lock().flush(),
            Self::File(_) => Ok(()),
        }
    }
}

/// A file that is put aside when it grows too large. Each write is a whole line.
struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
}

impl Rotating {
    fn open(path: &Path, max_size: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let file = Self::append(path)?;
        Ok(Self {
            path: path.to_owned(),
            size: file.metadata()?.len(),
            file,
            max_size,
        })
    }

    fn append(path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o640).open(path)
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..KEPT).rev() {
            let _ = fs::rename(self.aside(number), self.aside(number + 1));
        }
        fs::rename(&self.path, self.aside(1))?;
        self.file = Self::append(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.max_size > 0 && self.size > 0 && self.size.saturating_add(length) > self.max_size {
            // A file that cannot be put aside grows: better than a line lost.
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_old_logs_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/im.log");
        let mut log = Rotating::open(&path, 10).unwrap();
        for line in ["one\n", "two\n", "three333\n", "four\n", "five55555\n", "six666666\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join("new").join(name)).unwrap_or_default();
        assert_eq!(read("im.log"), "six666666\n");
        assert_eq!(read("im.log.1"), "five55555\n");
        assert_eq!(read("im.log.2"), "four\n");
        assert_eq!(read("im.log.3"), "three333\n");
        assert_eq!(read("im.log.4"), "");
        // An existing file is gone on with.
        let mut log = Rotating::open(&path, 100).unwrap();
        log.write_all(b"seven\n").unwrap();
        assert_eq!(read("im.log"), "six666666\nseven\n");
    }

    #[test]
    fn lines_cannot_be_made_from_outside() {
        let mut out = String::new();
        escape_into(&mut out, "a\nb\u{1b}[1mc\té").unwrap();
        assert_eq!(out, "a\\nb\\u{1b}[1mc\té");
    }

    #[test]
    fn a_line() {
        #[derive(Clone, Default)]
        struct Buffer(std::sync::Arc<Mutex<Vec<u8>>>);
        impl Write for Buffer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::info_span!("call", cloud = "c1").entered();
            tracing::warn!(target: "im_cloud::net", infra = "abc", count = 2, "slow\nanswer");
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let (time, rest) = text.split_once(" - ").unwrap();
        assert_eq!(time.len(), "2026-01-01 00:00:00,000".len());
        assert_eq!(
            rest,
            "CloudConnector - WARNING - Inf ID: abc: slow\\nanswer count=2 [call: cloud=\"c1\"]\n"
        );
    }

    #[test]
    fn levels() {
        assert_eq!(level("DEBUG"), LevelFilter::DEBUG);
        assert_eq!(level("CRITICAL"), LevelFilter::ERROR);
        assert_eq!(level("chatty"), LevelFilter::WARN);
    }
}
