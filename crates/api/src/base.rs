//! The base of URIs in answers: how the client reached us, as far as it can be believed. Pure.

use crate::Options;
use axum::http::{HeaderMap, Uri, header, uri::Authority};
use std::net::IpAddr;

/// `<scheme>://<host>[:port][<prefix>]`, without a slash at its end.
pub(crate) fn base(uri: &Uri, headers: &HeaderMap, peer: Option<IpAddr>, options: &Options) -> String {
    let (mut base, prefix) = reached(uri, headers, peer, options);
    base.push_str(prefix);
    // A proxy that strips the very prefix that we are told to answer under says the same thing twice.
    let root = root(options);
    if !prefix.ends_with(root) {
        base.push_str(root);
    }
    base
}

/// The same without `REST_ROOT_PATH`: what stands before the path of the request.
pub(crate) fn host(uri: &Uri, headers: &HeaderMap, peer: Option<IpAddr>, options: &Options) -> String {
    let (mut base, prefix) = reached(uri, headers, peer, options);
    base.push_str(prefix);
    base
}

/// `<scheme>://<host>[:port]`, and the prefix that a proxy has taken away.
fn reached<'a>(uri: &Uri, headers: &'a HeaderMap, peer: Option<IpAddr>, options: &Options) -> (String, &'a str) {
    let mut scheme = if options.tls { "https" } else { "http" };
    // HTTP/2 has no Host header but an authority.
    let named = uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| headers.get(header::HOST).and_then(|h| h.to_str().ok()));
    let mut host = named.filter(|h| is_authority(h)).unwrap_or(&options.fallback_host);
    let mut port = None;
    let mut prefix = "";
    if peer.is_some_and(|peer| options.trusted_proxies.trusts(peer)) {
        match forwarded(headers, "x-forwarded-proto") {
            Some(proto) if proto.eq_ignore_ascii_case("https") => scheme = "https",
            Some(proto) if proto.eq_ignore_ascii_case("http") => scheme = "http",
            _ => {}
        }
        if let Some(forwarded) = forwarded(headers, "x-forwarded-host").filter(|h| is_authority(h)) {
            host = forwarded;
        }
        port = forwarded(headers, "x-forwarded-port").and_then(|p| p.parse::<u16>().ok());
        if let Some(forwarded) = forwarded(headers, "x-forwarded-prefix").filter(|p| is_prefix(p)) {
            prefix = forwarded.trim_end_matches('/');
        }
    }
    // Room for what is added to it: ids and words of the path.
    let mut base = String::with_capacity(scheme.len() + host.len() + prefix.len() + options.root_path.len() + 80);
    base.push_str(scheme);
    base.push_str("://");
    match port {
        None => base.push_str(host),
        Some(port) => {
            base.push_str(without_port(host));
            let usual = if scheme == "https" { 443 } else { 80 };
            if port != usual {
                base.push(':');
                base.push_str(&port.to_string());
            }
        }
    }
    (base, prefix)
}

/// `REST_ROOT_PATH` without a slash at its end; empty: none.
pub(crate) fn root(options: &Options) -> &str {
    options.root_path.trim_end_matches('/')
}

/// The value nearest to us: what the peer itself said.
fn forwarded<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let last = text.rsplit(',').next()?.trim();
    (!last.is_empty()).then_some(last)
}

/// Nothing but what hosts and ports are written with: it ends up in texts of several forms.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 300
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 300
        && text.starts_with('/')
        && !text.contains("//")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~' | b'%'))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // `[::1]:80`, `name:80`; not `[::1]` and not a bare `::1`.
        Some((name, _)) if name.ends_with(']') || !(name.is_empty() || name.contains(':')) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &'static str)], peer: &str, root: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let options = Options {
            root_path: root.to_owned(),
            ..Options::default()
        };
        base(&Uri::from_static("/version"), &map, peer.parse().ok(), &options)
    }

    const LOCAL: &str = "127.0.0.1";

    #[test]
    fn host_decides() {
        assert_eq!(
            of(&[("host", "im.example:8800")], "192.0.2.1", "/"),
            "http://im.example:8800"
        );
        assert_eq!(of(&[], "192.0.2.1", "/"), "http://localhost:8800");
        assert_eq!(of(&[("host", "a\"><b")], LOCAL, "/im/"), "http://localhost:8800/im");
        assert_eq!(of(&[("host", "[::1]:80")], LOCAL, ""), "http://[::1]:80");
    }

    #[test]
    fn forwarded_headers_count_from_trusted_proxies_alone() {
        let all = [
            ("host", "inner:8800"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil, im.example"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-prefix", "/im/"),
        ];
        assert_eq!(of(&all, "192.0.2.1", "/"), "http://inner:8800");
        assert_eq!(of(&all, LOCAL, "/"), "https://im.example/im");
        assert_eq!(of(&all, LOCAL, "/im"), "https://im.example/im");
        assert_eq!(of(&all, LOCAL, "/v1"), "https://im.example/im/v1");
    }

    #[test]
    fn ports() {
        let with = |host, port| of(&[("host", host), ("x-forwarded-port", port)], LOCAL, "");
        assert_eq!(with("im:8800", "9000"), "http://im:9000");
        assert_eq!(with("im:8800", "80"), "http://im");
        assert_eq!(with("[::1]:8800", "9000"), "http://[::1]:9000");
        assert_eq!(with("[::1]", "9000"), "http://[::1]:9000");
        assert_eq!(with("im:8800", "no"), "http://im:8800");
    }

    #[test]
    fn nonsense_is_not_repeated() {
        for (name, value) in [
            ("x-forwarded-host", "a b"),
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-prefix", "//evil"),
            ("x-forwarded-prefix", "im"),
            ("x-forwarded-prefix", "/<x>"),
        ] {
            assert_eq!(
                of(&[("host", "h"), (name, value)], LOCAL, ""),
                "http://h",
                "{name}: {value}"
            );
        }
    }
}
