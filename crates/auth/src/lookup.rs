//! Which line of today's credentials opens the cloud of a VM stored yesterday.

use crate::{LookupError, clouds::cloud_ref, host::effective_port};
use im_model::{AuthLine, CloudRef, Credentials};

/// The line for a stored cloud: among the lines of its type that lead to the same place, the one with the stored id,
/// else the first.
///
/// Places are compared as parsed hosts, never as substrings. A line that has the stored id but leads elsewhere does not
/// count: its secret would be sent to a host it was not given for. A stored cloud without a host fits any line of its
/// type.
pub fn line_for<'a>(credentials: &'a Credentials, cloud: &CloudRef) -> Result<&'a AuthLine, LookupError> {
    let mut first = None;
    let mut of_kind = false;
    for (index, line) in credentials.lines.iter().enumerate() {
        if line.kind() != cloud.kind {
            continue;
        }
        of_kind = true;
        let Some(Ok(candidate)) = cloud_ref(line, index) else {
            continue;
        };
        if !same_place(&candidate, cloud) {
            continue;
        }
        if candidate.id == cloud.id {
            return Ok(line);
        }
        first = first.or(Some(line));
    }
    first.ok_or_else(|| {
        let kind = cloud.kind.clone();
        if of_kind {
            LookupError::NoneFits { kind }
        } else {
            LookupError::NoLine { kind }
        }
    })
}

fn same_place(candidate: &CloudRef, stored: &CloudRef) -> bool {
    let socket = |c: &CloudRef| c.protocol.eq_ignore_ascii_case("unix");
    let same_host = if socket(stored) || socket(candidate) {
        socket(stored) && socket(candidate) && stored.path == candidate.path
    } else {
        stored.server.is_empty()
            || stored.server.eq_ignore_ascii_case(&candidate.server)
                && effective_port(&stored.protocol, stored.port) == effective_port(&candidate.protocol, candidate.port)
    };
    same_host && stored.extra == candidate.extra
}
