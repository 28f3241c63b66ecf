//! How long an answer may be used without asking again (RFC 9111, as a cache that several users share).

use crate::net::http::{HeaderMap, header};
use std::time::{Duration, SystemTime};

/// Nothing is believed fresh for longer than this, whatever a server says.
const LONGEST: Duration = Duration::from_hours(24);

/// How long an answer may be used without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Not to be kept at all: `no-store`, `private`.
    NoStore,
    /// For so long from now, a day at most; zero: ask each time.
    For(Duration),
    /// The server does not say; the caller decides.
    Unsaid,
}

impl Freshness {
    pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let mut seconds = None;
        let mut shared = None;
        for value in headers.get_all(header::CACHE_CONTROL) {
            for directive in value.to_str().unwrap_or_default().split(',') {
                let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
                let number = || argument.trim().trim_matches('"').parse::<u64>().unwrap_or(0);
                match name.trim().to_ascii_lowercase().as_str() {
                    "no-store" | "private" => return Self::NoStore,
                    "no-cache" => shared = Some(0),
                    "s-maxage" => shared = Some(shared.map_or_else(number, |s: u64| s.min(number()))),
                    "max-age" => seconds = Some(number()),
                    _ => {}
                }
            }
        }
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
        let date = |name| text(name).and_then(|t| httpdate::parse_http_date(t).ok());
        let lifetime = match shared.or(seconds) {
            Some(seconds) => Duration::from_secs(seconds),
            None => match text(header::EXPIRES) {
                None => return Self::Unsaid,
                // What is no date, `0` above all, is in the past.
                Some(_) => date(header::EXPIRES)
                    .and_then(|end| end.duration_since(date(header::DATE).unwrap_or(now)).ok())
                    .unwrap_or_default(),
            },
        };
        let age = text(header::AGE).and_then(|t| t.trim().parse().ok()).unwrap_or(0);
        Self::For(lifetime.saturating_sub(Duration::from_secs(age)).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_say_it_is_read() {
        let seconds = |n| Freshness::For(Duration::from_secs(n));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (headers, expected) in [
            (vec![], Freshness::Unsaid),
            (vec![("cache-control", "max-age=300")], seconds(300)),
            (vec![("cache-control", "public, Max-Age=\"300\"")], seconds(300)),
            (vec![("cache-control", "max-age=300"), ("age", "120")], seconds(180)),
            (vec![("cache-control", "max-age=300"), ("age", "400")], seconds(0)),
            (vec![("cache-control", "max-age=300, s-maxage=10")], seconds(10)),
            (
                vec![("cache-control", "max-age=300"), ("cache-control", "no-cache")],
                seconds(0),
            ),
            (vec![("cache-control", "max-age=x")], seconds(0)),
            (vec![("cache-control", "max-age=99999999999")], seconds(86_400)),
            (vec![("cache-control", "no-store, max-age=9")], Freshness::NoStore),
            (vec![("cache-control", "private")], Freshness::NoStore),
            (vec![("expires", "Sun, 06 Nov 1994 08:59:37 GMT")], seconds(600)),
            (
                vec![
                    ("expires", "Sun, 06 Nov 1994 08:59:37 GMT"),
                    ("date", "Sun, 06 Nov 1994 08:58:37 GMT"),
                ],
                seconds(60),
            ),
            (vec![("expires", "0")], seconds(0)),
            (vec![("expires", "Sun, 06 Nov 1984 08:59:37 GMT")], seconds(0)),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(Freshness::of(&map, now), expected, "{headers:?}");
        }
    }
}
