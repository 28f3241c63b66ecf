//! Credentials from outside: headers, identities, access, clouds.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::format_push_string)]

use im_auth::{
    Admins, AuthError, CloudListError, HostError, Identities, LookupError, Policy, TokenIssuers, UserDb, Users, clouds,
    header_text, line_for, parse_header, parse_text,
};
use im_model::{AuthLine, Credentials};
use proptest::prelude::*;

fn plain(credentials: &Credentials) -> Vec<Vec<(String, String)>> {
    credentials
        .lines
        .iter()
        .map(|l| l.iter().map(|(k, v)| (k.to_owned(), v.expose().to_owned())).collect())
        .collect()
}
fn creds(lines: &[&[(&str, &str)]]) -> Credentials {
    Credentials {
        lines: lines.iter().map(|l| AuthLine::new(l.iter().copied())).collect(),
    }
}
fn header(text: &str) -> Credentials {
    parse_header(text).unwrap().credentials
}

#[test]
fn lines_are_joined_by_backslash_n_and_values_keep_line_feeds() {
    let got = header(r"type = InfrastructureManager; username = u; password = p;\ntype = GCE; password = 'a\\nb';\n");
    let wanted = creds(&[
        &[("type", "InfrastructureManager"), ("username", "u"), ("password", "p")],
        &[("type", "GCE"), ("password", "a\nb")],
    ]);
    assert_eq!(plain(&got), plain(&wanted));
}

#[test]
fn json_keeps_line_feeds_and_turns_other_values_to_text() {
    let got = header(r#"[{"type":"GCE","password":{"key":"a\nb"},"pem":"x\ny","port":5,"on":true,"no":null}]"#);
    assert_eq!(
        plain(&got),
        plain(&creds(&[&[
            ("type", "GCE"),
            ("password", r#"{"key":"a\nb"}"#),
            ("pem", "x\ny"),
            ("port", "5"),
            ("on", "true")
        ]]))
    );
    for bad in [r#"{"type":"x"}"#, "[1]", r#"["a"]"#, "[[]]"] {
        assert!(matches!(parse_header(bad), Err(AuthError::Unreadable(_))), "{bad}");
    }
    // Not JSON after all: read as a line, which gives nothing to identify the caller by.
    assert_eq!(
        Policy::default().check(header("[x")).unwrap_err(),
        AuthError::NoIdentity
    );
}

#[test]
fn basic_and_bearer_are_identities() {
    // base64 of `me:pa:ss`
    let me = creds(&[&[
        ("type", "InfrastructureManager"),
        ("username", "me"),
        ("password", "pa:ss"),
    ]]);
    assert_eq!(header("Basic bWU6cGE6c3M="), me);
    for bad in ["Basic !", "Basic bWU="] {
        assert!(matches!(parse_header(bad), Err(AuthError::Unreadable(_))), "{bad}");
    }
    let token = creds(&[&[("type", "InfrastructureManager"), ("token", "a.b.c")]]);
    assert_eq!(header("Bearer a.b.c"), token);
    assert_eq!(parse_header("  "), Err(AuthError::Missing));
    assert_eq!(parse_header(r"\n\n"), Err(AuthError::Missing));
}

#[test]
fn bytes_may_be_latin_1() {
    assert_eq!(header_text(b"caf\xe9").expose(), "café");
    assert_eq!(header_text("café".as_bytes()).expose(), "café");
}

#[test]
fn files_in_both_forms_and_no_expansion() {
    let text = "# mine\n\ntype = InfrastructureManager; username = u; password = file(/etc/passwd)\n";
    let got = parse_text(text).unwrap().credentials;
    assert_eq!(got.lines.len(), 1);
    assert_eq!(got.lines[0].plain("password"), "file(/etc/passwd)");
    let got = parse_text(" [{\"type\":\"Dummy\"}]\n").unwrap().credentials;
    assert_eq!(got.lines[0].kind(), "Dummy");
}

#[test]
fn ids_must_be_nameable() {
    for good in ["a", "_x", ".y", "cloud-1.é"] {
        assert!(parse_header(&format!("type = Dummy; id = {good}")).is_ok(), "{good}");
    }
    for bad in ["1a", "-x", "a b", "a/b"] {
        let error = parse_header(&format!("type = Dummy; id = '{bad}'")).unwrap_err();
        assert_eq!(error.to_string(), format!("Incorrect value in auth item id: {bad}"));
    }
}

#[test]
fn checks_of_identities() {
    let listed = Users::Listed(UserDb::parse(r#"{"users":[{"username":"u","password":"p"}]}"#).unwrap());
    let policy = |users| Policy {
        users,
        ..Policy::default()
    };
    let forced = Policy {
        identities: Identities::TokensOnly,
        ..Policy::default()
    };
    let issuers = Policy {
        issuers: TokenIssuers::Configured,
        ..Policy::default()
    };
    let any = Policy::default();
    for (policy, text, wanted) in [
        (
            &any,
            "type = Dummy",
            Some("No credentials provided for the InfrastructureManager."),
        ),
        (
            &any,
            "type = InfrastructureManager; password = p",
            Some("No username nor token for the InfrastructureManager."),
        ),
        (
            &any,
            "type = InfrastructureManager; username = __OPENID__x; password = p",
            Some("Invalid username used for the InfrastructureManager."),
        ),
        (
            &any,
            "type = InfrastructureManager; username = u; token = a.b.c",
            Some("Invalid InfrastructureManager credentials. Issuer not accepted."),
        ),
        (
            &issuers,
            "Bearer a.b.c",
            Some(
                "Invalid InfrastructureManager credentials. This version cannot check tokens: use a user name and a \
                 password.",
            ),
        ),
        (
            &forced,
            "type = InfrastructureManager; username = u; password = p",
            Some("No token provided for the InfrastructureManager."),
        ),
        (
            &policy(listed.clone()),
            "type = InfrastructureManager; username = u; password = x",
            Some("Invalid InfrastructureManager credentials"),
        ),
        (
            &policy(listed),
            "type = InfrastructureManager; username = u; password = p",
            None,
        ),
        (
            &policy(Users::Nobody),
            "type = InfrastructureManager; username = u; password = p",
            Some("Invalid InfrastructureManager credentials"),
        ),
        (&any, "type = InfrastructureManager; username = u; password = p", None),
        // All lines must pass.
        (
            &any,
            r"type = InfrastructureManager; username = u; password = p\ntype = InfrastructureManager",
            Some("No username nor token for the InfrastructureManager."),
        ),
    ] {
        let got = policy.check(header(text)).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(got, wanted.map_or(Ok(()), |w| Err(w.to_owned())), "{text}");
    }
}

#[test]
fn broken_user_lists_and_administrators_are_told() {
    assert!(UserDb::parse("{}").is_err());
    let error = UserDb::parse("{\n \"users\": [{\"username\": 1}]}").unwrap_err();
    assert_eq!(error.line, 2);
    for (text, good) in [
        ("{}", true),
        (r#"{"username":"a","password":"b"}"#, true),
        (r#"[{"username":"a","password":"b","token":"x"}]"#, true),
        (r#"{"username":"a"}"#, false),
        ("[1]", false),
        ("3", false),
    ] {
        assert_eq!(
            Admins::from_json(&serde_json::from_str(text).unwrap()).is_ok(),
            good,
            "{text}"
        );
    }
}

#[test]
fn access() {
    let admins = Admins::from_json(&serde_json::json!({"username":"root","password":"r"})).unwrap();
    let policy = Policy {
        admins,
        ..Policy::default()
    };
    let caller = |text| policy.check(header(text)).unwrap();
    let owners = creds(&[&[("type", "InfrastructureManager"), ("username", "u"), ("password", "p")]]);
    let with_token = creds(&[&[
        ("type", "InfrastructureManager"),
        ("username", "u"),
        ("password", "p"),
        ("token", "t"),
    ]]);
    let me = caller("type = InfrastructureManager; username = u; password = p");
    assert!(me.may_access(&owners));
    assert!(!me.may_access(&with_token));
    assert!(!me.may_access(&Credentials::default()));
    assert!(!caller("type = InfrastructureManager; username = u; password = q").may_access(&owners));
    assert!(!caller("type = InfrastructureManager; username = u").may_access(&owners));
    assert!(
        !caller("type = InfrastructureManager; username = x; password = q; admin = true").may_access(&owners),
        "nobody makes themselves an administrator"
    );
    let root = caller("type = InfrastructureManager; username = root; password = r");
    assert!(root.is_admin() && root.may_access(&with_token));
    let two = caller(
        r"type = InfrastructureManager; username = x; password = y; admin = true\ntype = InfrastructureManager; username = u; password = p\ntype = Dummy",
    );
    assert!(two.may_access(&owners));
    assert_eq!(two.owners().lines.len(), 2);
    assert!(two.owners().lines.iter().all(|l| l.get("admin").is_none()));
    assert_eq!(two.username(), "x");
    // An owner known only by a token is nobody's until somebody can say whose token it is.
    assert!(!me.may_access(&creds(&[&[("type", "InfrastructureManager"), ("token", "t")]])));
}

#[test]
fn cloud_list() {
    let lines = header(
        r"type = InfrastructureManager; username = u; password = p\ntype = Docker; host = unix://var/run/d.sock\ntype = EGIIS; vo = x; token = t\ntype = OpenStack; id = ost; host = https://[::1]:5000/v3; tenant = t; username = u; password = p\nx = y\ntype = Dummy",
    );
    let list = clouds(&lines).unwrap();
    let ids: Vec<_> = list.iter().map(|(c, _)| c.id.as_str()).collect();
    assert_eq!(ids, ["Docker1", "ost", "Dummy5"]);
    assert_eq!(
        (list[0].0.protocol.as_str(), list[0].0.path.as_str()),
        ("unix", "/var/run/d.sock")
    );
    assert_eq!((list[1].0.server.as_str(), list[1].0.port), ("[::1]", Some(5000)));
    assert_eq!(list[1].0.extra["tenant"], "t");
    assert_eq!(list[1].0.extra["auth_version"], "2.0_password");

    let error = clouds(&header("type = Docker; host = https://h:abc")).unwrap_err();
    let CloudListError::BadHost { ref reason, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(*reason, HostError::BadPort);
    assert!(
        error
            .to_string()
            .starts_with("auth line 1 (type Docker, id Docker0): host: "),
        "{error}"
    );
    let error = clouds(&header("type = Docker; host = http://u:hunter2@h")).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
    let error = clouds(&header(r"type = Dummy; id = a\ntype = Docker; host = h; id = a")).unwrap_err();
    assert_eq!(
        error,
        CloudListError::DuplicateId {
            id: "a".into(),
            first: 1,
            second: 2
        }
    );
}

#[test]
fn lines_for_stored_clouds() {
    let stored = |text| clouds(&header(text)).unwrap().remove(0).0;
    let k8s = stored("type = Kubernetes; host = https://k8s.org:6443; id = prod");
    let now = header(
        r"type = Kubernetes; host = https://dev-k8s.org:6443; token = dev\ntype = Kubernetes; host = https://K8S.org:6443; token = other\ntype = Kubernetes; host = https://k8s.org:6443/; id = prod; token = prod",
    );
    assert_eq!(line_for(&now, &k8s).unwrap().plain("token"), "prod");
    let renamed = header(
        r"type = Kubernetes; host = https://evil.org:6443; id = prod; token = no\ntype = Kubernetes; host = https://k8s.org:6443; token = yes",
    );
    assert_eq!(line_for(&renamed, &k8s).unwrap().plain("token"), "yes");
    let elsewhere = header("type = Kubernetes; host = https://k8s.org:1; id = prod; token = no");
    assert_eq!(
        line_for(&elsewhere, &k8s),
        Err(LookupError::NoneFits {
            kind: "Kubernetes".into()
        })
    );
    assert_eq!(
        line_for(&header("type = Dummy"), &k8s),
        Err(LookupError::NoLine {
            kind: "Kubernetes".into()
        })
    );
    // A default port and the same port written out are one place.
    let https = stored("type = OSCAR; host = https://o.org");
    assert!(line_for(&header("type = OSCAR; host = https://o.org:443"), &https).is_ok());
    assert!(line_for(&header("type = OSCAR; host = http://o.org"), &https).is_err());
    let socket = stored("type = Docker; host = unix:///a");
    assert!(line_for(&header("type = Docker; host = unix://a"), &socket).is_ok());
    assert!(line_for(&header("type = Docker; host = unix:///b"), &socket).is_err());
    let dummy = stored("type = Dummy");
    assert!(line_for(&header("type = Dummy; host = h"), &dummy).is_ok());
    // Two tenants of one host are two clouds.
    let a = stored("type = OpenStack; host = https://o; tenant = a");
    let both = header(
        r"type = OpenStack; host = https://o; tenant = b; x = no\ntype = OpenStack; host = https://o; tenant = a; x = yes",
    );
    assert_eq!(line_for(&both, &a).unwrap().plain("x"), "yes");
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,200}") {
        let _ = parse_text(&text);
        if let Ok(parsed) = parse_header(&text) {
            let _ = clouds(&parsed.credentials);
            let _ = Policy::default().check(parsed.credentials);
        }
    }

    #[test]
    fn never_panics_on_what_looks_right(
        text in "(\\[|\\{|type|InfrastructureManager|username|id|host|=|;|'|\"|\\\\n|\\\\|:|//|unix|Basic |Bearer | |a|é|\n){0,40}"
    ) {
        let _ = parse_text(&text);
        if let Ok(parsed) = parse_header(&text) {
            let _ = clouds(&parsed.credentials);
        }
    }

    /// The client's encoding: pairs `key = 'value';`, line feeds doubled, lines joined.
    #[test]
    fn round_trip_of_the_clients_encoding(
        lines in prop::collection::vec(
            prop::collection::vec(("[a-z_]{1,8}", "[a-zA-Z0-9;=\"{}:/ .é\n-]{0,20}"), 1..5), 1..5)
    ) {
        let sent: Vec<Vec<(String, String)>> = lines
            .into_iter()
            .map(|l| l.into_iter().filter(|(k, _)| k != "id").map(|(k, v)| (k, v.trim().to_owned())).collect())
            .collect();
        let mut text = String::new();
        for line in &sent {
            for (key, value) in line {
                text += &format!("{key} = '{}'; ", value.replace('\n', "\\\\n"));
            }
            text += "\\n";
        }
        let wanted: Vec<_> = sent.into_iter().filter(|l| !l.is_empty()).map(AuthLine::new).collect();
        match parse_header(&text) {
            Ok(parsed) => {
                prop_assert_eq!(parsed.notes.len(), 0, "{:?}", parsed.notes);
                prop_assert_eq!(parsed.credentials.lines, wanted);
            }
            Err(error) => {
                prop_assert_eq!(error, AuthError::Missing);
                prop_assert!(wanted.is_empty());
            }
        }
    }

    #[test]
    fn round_trip_of_json(values in prop::collection::vec("\\PC{0,20}\n?", 1..5)) {
        let sent: Vec<_> = values.iter().map(|v| serde_json::json!({"type": "X", "password": v})).collect();
        let parsed = parse_header(&serde_json::to_string(&sent).unwrap()).unwrap();
        for (line, value) in parsed.credentials.lines.iter().zip(&values) {
            prop_assert_eq!(line.plain("password"), value);
        }
    }
}
