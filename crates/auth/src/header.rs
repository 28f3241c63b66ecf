//! The `Authorization` header: `Basic`, `Bearer`, JSON, or lines joined by a backslash and an `n`.

use crate::{AuthError, IM, Parsed, checked, json};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use im_model::{AuthLine, Credentials, Secret};
use zeroize::Zeroizing;

/// The header's bytes as text: UTF-8 where they are that, Latin-1 otherwise (what older clients send).
pub fn header_text(bytes: &[u8]) -> Secret {
    match std::str::from_utf8(bytes) {
        Ok(text) => Secret::new(text),
        Err(_) => Secret::new(bytes.iter().map(|b| char::from(*b)).collect::<String>()),
    }
}

/// Reads the header's value.
///
/// JSON is tried before separators are looked at, so that a JSON `\n` in a value survives. `Basic` and `Bearer`
/// stand for one `InfrastructureManager` line.
pub fn parse_header(value: &str) -> Result<Parsed, AuthError> {
    let value = value.trim();
    if value.is_empty() {
        return Err(AuthError::Missing);
    }
    if let Some(encoded) = value.strip_prefix("Basic ") {
        return basic(encoded.trim());
    }
    if let Some(token) = value.strip_prefix("Bearer ") {
        return Ok(one(AuthLine::new([
            ("type", Secret::new(IM)),
            ("token", Secret::new(token.trim())),
        ])));
    }
    if let Some(credentials) = json::parse(value)? {
        return checked(Parsed {
            credentials,
            notes: Vec::new(),
        });
    }
    // Inside a value, a real line feed comes as two backslashes and an `n`.
    let text = Zeroizing::new(value.replace("\\\\n", "\n"));
    let mut pieces = text.split("\\n").filter(|p| !p.is_empty());
    if let (Some(only), None) = (pieces.next(), pieces.next())
        && let Some(credentials) = json::parse(only)?
    {
        return checked(Parsed {
            credentials,
            notes: Vec::new(),
        });
    }
    let mut parsed = Parsed::default();
    for (number, piece) in text.split("\\n").filter(|p| !p.is_empty()).enumerate() {
        parsed.take(piece, number + 1);
    }
    if parsed.credentials.lines.is_empty() {
        return Err(AuthError::Missing);
    }
    checked(parsed)
}

fn basic(encoded: &str) -> Result<Parsed, AuthError> {
    let unreadable = || AuthError::Unreadable("`Basic` must be followed by the base64 form of `user:password`");
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| unreadable())?);
    let text = header_text(&bytes);
    let (user, password) = text.expose().split_once(':').ok_or_else(unreadable)?;
    Ok(one(AuthLine::new([
        ("type", Secret::new(IM)),
        ("username", Secret::new(user)),
        ("password", Secret::new(password)),
    ])))
}

fn one(line: AuthLine) -> Parsed {
    Parsed {
        credentials: Credentials { lines: vec![line] },
        notes: Vec::new(),
    }
}
