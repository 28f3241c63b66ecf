//! Types of values: how each is read from text, and how it is shown.

use im_model::Secret;
use serde_json::Value as Json;
use std::fmt;

/// What a switch may be.
const YES: [&str; 4] = ["1", "yes", "true", "on"];
const NO: [&str; 4] = ["0", "no", "false", "off"];

/// Shown instead of a secret.
pub(crate) const HIDDEN: &str = "***";

/// JSON that may hold passwords: prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonSecret(pub Json);

impl fmt::Debug for JsonSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A type of values.
pub(crate) trait Value: Sized {
    /// Its name in the manual.
    const NAME: &'static str;
    /// What to write, for messages.
    const HINT: &'static str;
    fn read(text: &str) -> Option<Self>;
    /// As it would be written.
    fn show(&self) -> String;
}

impl Value for bool {
    const NAME: &'static str = "switch";
    const HINT: &'static str = "write `yes` or `no`";
    fn read(text: &str) -> Option<Self> {
        let word = text.to_ascii_lowercase();
        if YES.contains(&word.as_str()) {
            Some(true)
        } else if NO.contains(&word.as_str()) {
            Some(false)
        } else {
            None
        }
    }
    fn show(&self) -> String {
        (if *self { "yes" } else { "no" }).to_owned()
    }
}

macro_rules! whole_numbers {
    ($($kind:ty: $hint:literal),+) => {$(
        impl Value for $kind {
            const NAME: &'static str = "number";
            const HINT: &'static str = $hint;
            fn read(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

whole_numbers! {
    u16: "write a whole number from 0 to 65535",
    u32: "write a whole number, 0 or more",
    u64: "write a whole number, 0 or more"
}

impl Value for String {
    const NAME: &'static str = "text";
    const HINT: &'static str = "write a text";
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

/// Empty: not set.
impl Value for Option<String> {
    const NAME: &'static str = "text";
    const HINT: &'static str = "write a text";
    fn read(text: &str) -> Option<Self> {
        Some((!text.is_empty()).then(|| text.to_owned()))
    }
    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// Empty: not set.
impl Value for Option<u32> {
    const NAME: &'static str = "number";
    const HINT: &'static str = "write a whole number, 1 or more";
    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "" => Some(None),
            text => text.parse().ok().filter(|number| *number > 0).map(Some),
        }
    }
    fn show(&self) -> String {
        self.map_or(String::new(), |number| number.to_string())
    }
}

/// Empty: not set.
impl Value for Option<Secret> {
    const NAME: &'static str = "secret text";
    const HINT: &'static str = "write a text";
    fn read(text: &str) -> Option<Self> {
        Some((!text.is_empty()).then(|| Secret::new(text)))
    }
    fn show(&self) -> String {
        self.as_ref().map_or(String::new(), |_| HIDDEN.to_owned())
    }
}

/// Items are trimmed, empty ones left out.
impl Value for Vec<String> {
    const NAME: &'static str = "list";
    const HINT: &'static str = "write a list separated by commas";
    fn read(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Some(items.map(str::to_owned).collect())
    }
    fn show(&self) -> String {
        self.join(", ")
    }
}

impl Value for JsonSecret {
    const NAME: &'static str = "JSON";
    const HINT: &'static str = "write an object or an array of objects in JSON, `{}` for none";
    fn read(text: &str) -> Option<Self> {
        let value: Json = serde_json::from_str(text).ok()?;
        (value.is_object() || value.is_array()).then_some(Self(value))
    }
    fn show(&self) -> String {
        match &self.0 {
            Json::Array(items) if items.is_empty() => "[]".to_owned(),
            Json::Object(members) if members.is_empty() => "{}".to_owned(),
            _ => HIDDEN.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(bool::read("YES"), Some(true));
        assert_eq!(bool::read("off"), Some(false));
        assert_eq!(bool::read(""), None);
        assert_eq!(u16::read(" 8800 "), Some(8800));
        assert_eq!(u16::read("88000"), None);
        assert_eq!(u64::read("-1"), None);
        assert_eq!(Vec::<String>::read(" a, ,b ,").unwrap(), ["a", "b"]);
        assert_eq!(Vec::<String>::read("").unwrap(), Vec::<String>::new());
        assert_eq!(Option::<String>::read(""), Some(None));
        assert!(JsonSecret::read("").is_none());
        assert!(JsonSecret::read("3").is_none());
        assert_eq!(JsonSecret::read("{}").unwrap().show(), "{}");
    }
}
