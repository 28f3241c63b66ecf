use super::*;
use std::io::Write as _;

fn expander(folder: &Path) -> Expander {
    Expander {
        folder: folder.to_path_buf(),
        shown: "auth.dat".to_owned(),
        commands: Commands::Allowed,
    }
}

fn encode(text: &str) -> String {
    match header(text, &expander(Path::new("/nonexistent"))) {
        Ok(secret) => secret.expose().to_owned(),
        Err(e) => format!("error: {} / {:?}", e.message, e.causes),
    }
}

/// The reader of the contract (api 4.1, 4.2), written here from its text: what a service makes of the header.
fn decode(header: &str) -> Vec<Vec<(String, String)>> {
    let text = header.replace("\\\\n", "\n");
    let mut all = Vec::new();
    let pieces: Vec<&str> = text.split("\\n").collect();
    if let [one] = pieces.as_slice()
        && let Ok(serde_json::Value::Array(items)) = serde_json::from_str(one)
    {
        return items
            .iter()
            .map(|item| {
                item.as_object()
                    .map(|o| {
                        o.iter()
                            .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                            .collect()
                    })
                    .unwrap_or_default()
            })
            .collect();
    }
    for piece in pieces {
        let mut line = Vec::new();
        for pair in split(piece.trim(), ';', Quotes::Keep) {
            let parts = split(&pair, '=', Quotes::Drop);
            let [key, value] = parts.as_slice() else { break };
            line.push((key.trim().to_owned(), value.trim().replace("\\n", "\n")));
        }
        all.push(line);
    }
    all
}

#[test]
fn lines_are_joined_and_quoted() {
    assert_eq!(
        encode(
            "# mine\n\ntype = InfrastructureManager; username=me; password='a;b=c'\nid=x;type=Docker;host=unix:///run/d\n"
        ),
        "type = 'InfrastructureManager'; username = 'me'; password = 'a;b=c'\\n\
         id = 'x'; type = 'Docker'; host = 'unix:///run/d'"
    );
}

#[test]
fn bearer_is_sent_as_it_is() {
    assert_eq!(encode("Bearer abc.def==\n"), "Bearer abc.def==");
    assert_eq!(encode("Bearer command(printf 'a.b\\n')\n"), "Bearer a.b");
}

#[test]
fn whatever_is_sent_is_read_back() {
    let nasty = [
        "plain",
        "",
        "it's",
        "''",
        "\"",
        "'\"'\"",
        "a;b=c",
        "two\nlines\nof = text; x",
        " blanks ",
        "back\\slash",
        "back\\nslash-n",
        "ends in \\",
        "\\\nafter",
        "clé 🔑",
        "cr\r\nlf",
        "file(/etc/passwd)x",
        "#hash",
        "-----BEGIN KEY-----\nabc==\n-----END KEY-----",
    ];
    for first in nasty {
        for second in nasty {
            let lines = vec![
                vec![
                    ("type".to_owned(), Value::Text("Docker".into())),
                    ("a".to_owned(), Value::Text(first.into())),
                    ("b".to_owned(), Value::Text(second.into())),
                ],
                vec![("c".to_owned(), Value::Text(first.into()))],
            ];
            let wanted: Vec<Vec<(String, String)>> = lines
                .iter()
                .map(|line| {
                    line.iter()
                        .map(|(k, v)| match v {
                            Value::Text(t) => (k.clone(), t.expose().to_owned()),
                            Value::Other(o) => (k.clone(), o.to_string()),
                        })
                        .collect()
                })
                .collect();
            if let Some(sent) = line_header(&lines) {
                assert_eq!(decode(sent.expose()), wanted, "line form: {}", sent.expose());
            }
            let sent = json_header(&lines);
            assert!(sent.expose().bytes().all(|b| (b' '..=b'~').contains(&b)));
            assert_eq!(decode(sent.expose()), wanted, "JSON form: {}", sent.expose());
        }
    }
}

#[test]
fn files_are_put_in_and_re_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let mut key = fs::File::create(dir.path().join("key.pem")).unwrap();
    key.write_all(b"-----BEGIN-----\na'b=c;d\n-----END-----\n").unwrap();
    let text = header(
        "id=one;type=X;private_key = file(key.pem)\n[not json",
        &expander(dir.path()),
    )
    .unwrap_err();
    assert!(text.message.contains("line 2"), "{}", text.message);
    let sent = header("id=one;type=X;private_key = file(key.pem)\n", &expander(dir.path())).unwrap();
    assert_eq!(decode(sent.expose())[0][2].1, "-----BEGIN-----\na'b=c;d\n-----END-----");
    assert!(sent.expose().contains("\\\\n"));
    assert!(!sent.expose().contains('\n'));
}

#[test]
fn json_files_keep_their_types() {
    assert_eq!(
        encode(r#"[{"type": "Vault", "enabled": false, "n": [1, "é\n"]}]"#),
        r#"[{"type":"Vault","enabled":false,"n":[1,"\u00e9\u000a"]}]"#
    );
    assert_eq!(encode(r#"[{"type": "A", "p": "x"}]"#), "type = 'A'; p = 'x'");
    assert!(encode(r#"{"type": "A"}"#).starts_with("error: `auth.dat` is not a JSON array"));
}

#[test]
fn what_the_service_would_drop_is_refused() {
    for line in [
        "type = A; password = a=b",
        "type = A; password =",
        "type = A;; x = y",
        "nonsense",
    ] {
        assert!(encode(line).starts_with("error: line 1"), "{line}: {}", encode(line));
    }
    // Contract: one trailing `=` is read, a trailing `;` is fine.
    assert_eq!(encode("k = abc="), "k = 'abc'");
    assert_eq!(encode("k = abc;"), "k = 'abc'");
    assert_eq!(encode("k = ''"), "k = ''");
}

#[test]
fn errors_do_not_quote_values() {
    for text in [
        "type = A; password = hunter2=x",
        "[{\"password\": \"hunter2\" x}]",
        "[\"hunter2\"]",
    ] {
        let error = header(text, &expander(Path::new("/"))).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn commands_of_strangers_do_not_run() {
    let stranger = Expander {
        commands: Commands::Refused,
        ..expander(Path::new("/"))
    };
    let error = header("type = A; password = command(echo x)", &stranger).unwrap_err();
    assert!(error.hints[0].contains("--auth"));
    assert_eq!(
        encode("type = A; password = \"command(echo 'x y'; echo z)\""),
        "type = 'A'; password = 'x yz'"
    );
    assert!(encode("type = A; password = command(exit 3)").contains("failed"));
}
