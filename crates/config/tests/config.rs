//! Configuration files from outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use im_config::{Config, ConfigError, Effect, Environment, KEYS, Read, Source};
use proptest::prelude::*;
use std::path::Path;

fn read(text: &str) -> Result<Read, Vec<ConfigError>> {
    let source = Source { name: "im.cfg", text };
    Config::parse(&[source], &Environment::default())
}

#[test]
fn the_originals_file_is_understood() {
    let read = read(
        "[im]\nDATA_DB = sqlite:///etc/im/inf.dat\nUSER_DB =\nMAX_SIMULTANEOUS_LAUNCHES = 5\nadmin_user = {\"username\": \
         \"a\", \"password\": \"b\"}\nLOG_LEVEL: DEBUG\nREST_SSL = False\nOIDC_ISSUERS = https://a , https://b\n\
         OIDC_ADMIN_GROUPS = [{\"issuer\": \"https://a/\", \"group\": \"g\"}]\nVM_TAG_USERNAME = IM_USER\n\
         DEFAULT_VM_NAME = vnode-#N#\n[OpenNebula]\nTEMPLATE_OTHER = GRAPHICS = [type=\"vnc\",listen=\"0.0.0.0\"]\n",
    )
    .unwrap();
    assert_eq!(read.warnings, Vec::<String>::new());
    assert_eq!(read.config.data_db, "sqlite:///etc/im/inf.dat");
    assert_eq!(read.config.max_simultaneous_launches, Some(5));
    assert_eq!(read.config.admin_user.0["username"], "a");
    assert!(!read.config.rest_ssl);
    assert_eq!(read.config.oidc_issuers, ["https://a", "https://b"]);
    assert_eq!(read.config.vm_tag_username.as_deref(), Some("IM_USER"));
    assert_eq!(
        read.config.opennebula_template_other,
        "GRAPHICS = [type=\"vnc\",listen=\"0.0.0.0\"]"
    );
    assert!(read.is_set("DATA_DB") && !read.is_set("LOG_FILE"));
}

#[test]
fn unknown_keys_are_warned_about() {
    let read = read("[im]\nRest_Prot = 1\n[other]\nA = 1\n").unwrap();
    assert_eq!(
        read.warnings,
        [
            "Unknown option in the IM config file. Ignoring it: REST_PROT",
            "Unknown section in the IM config file. Ignoring it: other",
        ]
    );
}

#[test]
fn values_of_the_wrong_type_name_file_line_and_cure() {
    let errors = read("[im]\nREST_PORT = http\nREST_SSL = maybe\nADMIN_USER =\nLOG_FILE = 50%\n").unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "im.cfg, line 2: REST_PORT: the value is no number; write a whole number from 0 to 65535, or remove the line \
             for `8800`",
            "im.cfg, line 3: REST_SSL: the value is no switch; write `yes` or `no`, or remove the line for `no`",
            "im.cfg, line 4: ADMIN_USER: the value is no JSON; write an object or an array of objects in JSON, `{}` for \
             none, or remove the line for `{}`",
            "im.cfg, line 5: a `%` is followed neither by `%` nor by `(key)s`; write `%%` for a percent sign, `%(key)s` \
             for the value of another key of the section",
        ]
    );
}

#[test]
fn files_and_environment_in_their_order() {
    let sources = [
        Source {
            name: "a",
            text: "[im]\nREST_PORT = 1\nREST_ADDRESS = ::\nTRUSTED_PROXIES = 10.0.0.1\n",
        },
        Source {
            name: "b",
            text: "[im]\nrest_port = 2\nDATA_DB = /b\n",
        },
    ];
    let environment = Environment {
        data_db: Some("/env".to_owned()),
        forwarded_allow_ips: Some("*".to_owned()),
    };
    let read = Config::parse(&sources, &environment).unwrap();
    assert_eq!(read.config.rest_port, 2);
    assert_eq!(read.config.rest_address, "::");
    assert_eq!(read.config.data_db, "/env");
    assert_eq!(read.config.trusted_proxies, "10.0.0.1");
    assert_eq!(
        read.error("REST_PORT", "taken", "take another").to_string(),
        "b, line 2: REST_PORT: taken; take another"
    );
    assert_eq!(Config::parse(&[], &environment).unwrap().config.trusted_proxies, "*");
}

#[test]
fn the_key_file_is_outside_the_database() {
    let mut config = Config::default();
    assert_eq!(
        config.key_file_for(Path::new("/x/inf.dat")),
        Path::new("/x/inf.dat.key")
    );
    config.key_file = Some("/keys/im".to_owned());
    assert_eq!(config.key_file_for(Path::new("/x/inf.dat")), Path::new("/keys/im"));
}

#[test]
fn nothing_secret_is_shown() {
    let read = read("[im]\nOIDC_CLIENT_SECRET = hunter2\nDATA_DB = mysql://im:hunter2@db/im\n").unwrap();
    assert!(!format!("{read:?}").contains("hunter2"));
    let bad = "[im]\nREST_PORT = hunter2\nADMIN_USER = {\"password\": \"hunter2\"\nhunter2\n";
    let errors = self::read(bad).unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    // A line that is no key is shown: somebody must find it.
    assert_eq!(told.iter().filter(|t| t.contains("hunter2")).count(), 1, "{told:?}");
}

#[test]
fn every_key_has_a_meaning_and_a_readable_default() {
    for key in KEYS {
        assert_eq!(key.name, key.name.to_uppercase());
        assert!(key.text.ends_with(['.', ')']), "{key:?}: {}", key.text);
        assert_eq!(
            KEYS.iter()
                .filter(|k| k.name == key.name && k.section == key.section)
                .count(),
            1,
            "{key:?}"
        );
        let section = if key.name.starts_with("TEMPLATE") || matches!(key.name, "IMAGE_UNAME" | "TTS_URL") {
            "OpenNebula"
        } else {
            "im"
        };
        let text = format!("[{section}]\n{} = {}\n", key.name, key.default());
        assert!(read(&text).is_ok(), "{text}");
    }
    assert!(KEYS.iter().filter(|k| k.effect == Effect::Works).count() > 50);
}

#[test]
fn the_manual_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let wanted = im_config::manual();
    if std::env::var_os("IM_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/configuration.md is not what the table of the keys says: IM_UPDATE_DOCS=1 cargo test -p im-config"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "(\\[im\\]\n)?([ \tA-Z_%()s#;=:\\[\\]a-z0-9,{}\"é\n]|DATA_DB|REST_PORT){0,120}") {
        match read(&text) {
            Ok(read) => prop_assert!(read.warnings.len() <= text.lines().count()),
            Err(errors) => prop_assert!(errors.iter().all(|e| e.line >= 1)),
        }
    }
}
