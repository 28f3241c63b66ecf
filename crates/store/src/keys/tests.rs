//! Tests of the key ring.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

const PLACE: Place<'static> = Place {
    table: "t",
    key: "k",
    column: "c",
};

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("im-keys-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn a_value_opens_only_at_its_place_and_unchanged() {
    let ring = KeyRing::random().unwrap();
    for text in ["", "x", &"long".repeat(5000)] {
        let sealed = ring.seal(PLACE, text.as_bytes()).unwrap();
        assert_eq!(ring.open_text(PLACE, sealed.clone()).unwrap(), text);
        for other in [
            Place { table: "u", ..PLACE },
            Place { key: "l", ..PLACE },
            Place { column: "d", ..PLACE },
            Place {
                table: "t",
                key: "",
                column: "kc",
            },
        ] {
            assert!(ring.open(other, sealed.clone()).is_err());
        }
        for n in (0..60.min(sealed.len())).chain(sealed.len() - 17..sealed.len()) {
            let mut changed = sealed.clone();
            changed[n] ^= 1;
            assert!(ring.open(PLACE, changed).is_err(), "byte {n}");
            assert!(ring.open(PLACE, sealed[..n].to_vec()).is_err(), "cut at {n}");
        }
    }
}

#[test]
fn equal_values_are_sealed_differently() {
    let ring = KeyRing::random().unwrap();
    assert_ne!(ring.seal(PLACE, b"x").unwrap(), ring.seal(PLACE, b"x").unwrap());
}

#[test]
fn the_file_is_made_once_and_private() {
    let folder = folder("made");
    let path = folder.join("sub").join("key");
    let first = KeyRing::load_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    let sealed = first.seal(PLACE, b"x").unwrap();
    let again = KeyRing::load_or_create(&path).unwrap();
    assert_eq!(again.open_text(PLACE, sealed.clone()).unwrap(), "x");
    assert!(matches!(
        KeyRing::random().unwrap().open(PLACE, sealed),
        Err(StoreError::WrongKey(_))
    ));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyRing::load(&path).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_last_key_that_is_not_staged_seals_and_every_key_opens() {
    let (a, b, c) = (
        RingKey::fresh().unwrap(),
        RingKey::fresh().unwrap(),
        RingKey::fresh().unwrap(),
    );
    let old = KeyRing::parse(&a.line(KeyRole::Reading), "old").unwrap();
    let text = format!(
        "# rotated\n{}\n{}{}",
        *a.line(KeyRole::Reading),
        *b.line(KeyRole::Reading),
        *c.line(KeyRole::Staged)
    );
    let new = KeyRing::parse(&text, "new").unwrap();
    assert_eq!(
        new.list(),
        [
            (a.id, KeyRole::Reading),
            (b.id, KeyRole::Writing),
            (c.id, KeyRole::Staged)
        ]
    );
    let sealed = old.seal(PLACE, b"x").unwrap();
    assert_eq!(sealed_by(&sealed), Some(a.id));
    assert_eq!(new.open_text(PLACE, sealed).unwrap(), "x");
    let sealed = new.seal(PLACE, b"x").unwrap();
    assert_eq!(sealed_by(&sealed), Some(b.id));
    assert!(old.open(PLACE, sealed).is_err());
    let error = KeyRing::parse(&c.line(KeyRole::Staged), "here")
        .unwrap_err()
        .to_string();
    assert!(error.contains("staged"), "{error}");
}

#[test]
fn marks_and_names_hang_on_the_identity_not_on_the_keys() {
    let (one, other) = (KeyRing::random().unwrap(), KeyRing::random().unwrap());
    assert!(one.name_tag("bob").is_err(), "no database, no identity");
    let identity = || Zeroizing::new([7; 32]);
    let (one, other) = (one.bound(identity()), other.bound(identity()));
    assert_eq!(one.name_tag("bob").unwrap(), other.name_tag("bob").unwrap());
    assert_ne!(one.name_tag("bob").unwrap(), one.name_tag("eve").unwrap());
    assert_eq!(one.mark_secret("d").unwrap(), other.mark_secret("d").unwrap());
    assert_ne!(one.mark_secret("d").unwrap(), one.mark_secret("e").unwrap());
    assert_ne!(
        one.mark_secret("d").unwrap(),
        one.bound(Zeroizing::new([8; 32])).mark_secret("d").unwrap()
    );
}

#[test]
fn a_file_is_changed_whole_and_seen_by_those_who_have_it() {
    let folder = folder("changed");
    let path = folder.join("key");
    let ring = KeyRing::load_or_create(&path).unwrap();
    let first = ring.writing();
    let before = ring.seal(PLACE, b"x").unwrap();
    let mut file = KeyFile::open(&path).unwrap();
    assert_eq!(file.staged(), None);
    let staged = file.stage_new().unwrap();
    assert_eq!(file.staged(), Some(staged));
    assert_eq!(ring.writing(), first, "a staged key does not seal");
    file.promote(staged).unwrap();
    assert_eq!(file.staged(), None);
    // A value sealed with a key that is not known makes the ring look; a seal does, after a second.
    let other = KeyRing::load(&path).unwrap();
    assert_eq!(other.writing(), staged);
    let sealed = other.seal(PLACE, b"y").unwrap();
    assert_eq!(ring.open_text(PLACE, sealed).unwrap(), "y");
    assert_eq!(ring.writing(), staged);
    assert_eq!(sealed_by(&ring.seal(PLACE, b"z").unwrap()), Some(staged));
    assert_eq!(ring.open_text(PLACE, before).unwrap(), "x");
    file.remove(first).unwrap();
    assert!(matches!(file.remove(first), Err(StoreError::Missing { .. })));
    assert_eq!(KeyRing::load(&path).unwrap().list(), [(staged, KeyRole::Writing)]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    assert!(fs::read_to_string(&path).unwrap().starts_with("# Keys"));
    // What cannot be read any more does not stop whoever has the keys already.
    fs::write(&path, "nonsense").unwrap();
    ring.refresh();
    assert_eq!(ring.writing(), staged);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn damaged_files_are_refused_with_their_line() {
    let line = RingKey::fresh().unwrap().line(KeyRole::Reading);
    let changed = if line.as_bytes()[20] == b'0' { "1" } else { "0" };
    let mut flipped = line.to_string();
    flipped.replace_range(20..21, changed);
    for (text, expected) in [
        ("", "no key"),
        ("# nothing", "no key"),
        ("abc", "line 1"),
        ("abc zz", "hexadecimal"),
        (flipped.as_str(), "changed or lost"),
        (&format!("{} old", line.trim_end()), "nothing else"),
        (&format!("{}{}", *line, *line), "twice"),
    ] {
        let error = KeyRing::parse(text, "here").unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
        assert!(!error.contains(&line[10..70]));
    }
}
