//! Lines of logs as the contract wants them.

use chrono::{Local, Timelike as _};
use im_model::{LogScope, Millis, VmId};
use im_store::Write;
use std::{collections::BTreeMap, fmt::Write as _};

/// A message of the header log: local time, colon, blank, message. The fraction is missing when it is zero.
pub(crate) fn line(message: &str) -> String {
    let now = Local::now();
    let form = if now.nanosecond() / 1000 == 0 {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S%.6f"
    };
    format!("{}: {}\n", now.format(form), message.trim_end_matches('\n'))
}

/// That message, written at the end of the header log.
pub(crate) fn header(message: &str) -> Write {
    Write::Log {
        scope: LogScope::Infra,
        text: line(message),
    }
}

/// Property `contmsg`: the header, then each VM that has something to say.
pub(crate) fn contmsg(header: &str, vms: &BTreeMap<VmId, String>) -> String {
    let mut text = header.to_owned();
    for (id, log) in vms.iter().filter(|(_, log)| !log.is_empty()) {
        let stars = "*".repeat(75);
        let _ = write!(text, "VM {id}:\n{log}\n{stars}\n");
    }
    text
}

/// The log of a VM: why it could not be launched, then what contextualization said.
pub(crate) fn of_vm(error: Option<&str>, log: &str) -> String {
    match error.filter(|e| !e.is_empty()) {
        Some(error) => format!("{}\n{log}", error.trim_end_matches('\n')),
        None => log.to_owned(),
    }
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now() -> Millis {
    chrono::Utc::now().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_separated_by_75_asterisks() {
        let vms = BTreeMap::from([(VmId(0), String::new()), (VmId(1), of_vm(Some("no room\n"), "log\n"))]);
        let stars = "*".repeat(75);
        assert_eq!(
            contmsg("head\n", &vms),
            format!("head\nVM 1:\nno room\nlog\n\n{stars}\n")
        );
    }

    #[test]
    fn lines_begin_with_the_time() {
        let text = line("Select master VM");
        assert!(text.ends_with(": Select master VM\n"), "{text}");
        assert_eq!(&text[4..5], "-");
        assert!(text.split(": ").next().is_some_and(|t| t.len() >= 19), "{text}");
    }
}
