//! The routes: path, method, handler.
//!
//! A table of our own instead of a router, because clients see the forms of 404, 405, 422 and of the redirect.

mod events;
mod infrastructure;
mod infrastructures;
mod later;
mod operations;
mod system;
mod vms;

use crate::{call::Call, failure::Answer};
use futures::future::BoxFuture;

/// Answers requests of one route.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Answer>;

/// What a path can be asked.
pub(crate) type Methods = &'static [(&'static str, Handler)];

macro_rules! methods {
    ($($method:literal => $handler:path),+ $(,)?) => {
        &[$(($method, |call| -> BoxFuture<'static, Answer> { Box::pin($handler(call)) })),+]
    };
}

const INFRASTRUCTURES: Methods = methods! {
    "GET" => infrastructures::list,
    "POST" => infrastructures::create,
    "PUT" => later::import,
};
const INFRASTRUCTURE: Methods = methods! {
    "GET" => infrastructure::vms,
    "POST" => infrastructure::add,
    "DELETE" => infrastructure::destroy,
};
const RECONFIGURE: Methods = methods! { "PUT" => infrastructure::reconfigure };
const PLAN: Methods = methods! { "POST" => infrastructure::plan };
const AUTHORIZATION: Methods = methods! {
    "GET" => infrastructure::property,
    "POST" => later::authorization,
};
const EVENTS: Methods = methods! { "GET" => events::events };
const PROPERTY: Methods = methods! {
    "GET" => infrastructure::property,
    "PUT" => infrastructure::power,
};
const VM: Methods = methods! {
    "GET" => vms::info,
    "PUT" => vms::alter,
    "DELETE" => vms::remove,
};
const VM_PROPERTY: Methods = methods! {
    "GET" => vms::property,
    "PUT" => vms::power,
};
const SNAPSHOT: Methods = methods! { "PUT" => later::snapshot };
const OPERATION: Methods = methods! { "GET" => operations::operation };
const STEER: Methods = methods! { "POST" => operations::steer };
const OPERATIONS: Methods = methods! { "GET" => operations::operations };
const ABANDON: Methods = methods! { "POST" => operations::abandon };
const ORPHANS: Methods = methods! {
    "GET" => system::orphans,
    "DELETE" => system::remove_orphans,
};
const CLOUD: Methods = methods! { "GET" => later::cloud };
const STATS: Methods = methods! { "GET" => later::stats };
const VERSION: Methods = methods! { "GET" => system::version };
const OAI: Methods = methods! { "GET" => later::oai, "POST" => later::oai };
const STATIC: Methods = methods! { "GET" => later::static_file };
const DESCRIPTION: Methods = methods! { "GET" => later::description };

/// What a path can be asked; `None`: there is no such path.
pub(crate) fn find(path: &str) -> Option<Methods> {
    let mut segments = [""; 8];
    let mut count = 0;
    for segment in path.strip_prefix('/')?.split('/') {
        *segments.get_mut(count)? = segment;
        count += 1;
    }
    let segments = &segments[..count];
    if segments.len() > 1 && segments.iter().any(|s| s.is_empty()) {
        return None;
    }
    Some(match segments {
        ["infrastructures"] => INFRASTRUCTURES,
        ["infrastructures", _] => INFRASTRUCTURE,
        ["infrastructures", _, "reconfigure"] => RECONFIGURE,
        ["infrastructures", _, "plan"] => PLAN,
        ["infrastructures", _, "authorization"] => AUTHORIZATION,
        ["infrastructures", _, "events"] => EVENTS,
        ["infrastructures", _, "operations"] => OPERATIONS,
        ["infrastructures", _, "abandon"] => ABANDON,
        ["infrastructures", _, _] => PROPERTY,
        ["infrastructures", _, "vms", _] => VM,
        ["infrastructures", _, "vms", _, _] => VM_PROPERTY,
        ["infrastructures", _, "vms", _, "disks", _, "snapshot"] => SNAPSHOT,
        ["operations", _] => OPERATION,
        ["operations", _, _] => STEER,
        ["orphans"] => ORPHANS,
        ["clouds", _, _] => CLOUD,
        ["stats"] => STATS,
        ["version"] => VERSION,
        ["oai"] => OAI,
        ["static", _] => STATIC,
        ["" | "openapi.json" | "redoc"] => DESCRIPTION,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for path in [
            "/",
            "/version",
            "/infrastructures",
            "/infrastructures/a",
            "/infrastructures/a/state",
            "/infrastructures/a/vms/0/disks/1/snapshot",
        ] {
            assert!(find(path).is_some(), "{path}");
        }
        for path in [
            "",
            "version",
            "//",
            "/version/",
            "/infrastructures/",
            "/infrastructures//state",
            "/a/b/c/d/e/f/g/h/i",
        ] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
