//! Inputs that are not in the document: random texts and the user's token. Drawn once, and kept by the caller.

use super::Inputs;
use crate::{Template, Value};
use std::sync::Arc;

/// The longest random text.
const LONGEST: usize = 4096;

/// The values of inputs whose default is `random(N)` or `access_token()`. What was drawn before stays; `draw` makes a
/// text of so many letters and digits. Without a token, `access_token()` stays as it is.
pub fn draw_inputs(
    template: &Template,
    already: &Inputs,
    draw: &mut dyn FnMut(usize) -> String,
    token: Option<&str>,
) -> Inputs {
    let mut drawn = Inputs::new();
    for (name, input) in &template.inputs {
        let Some(default) = input.default.as_ref().and_then(|node| node.as_str()) else {
            continue;
        };
        let special = if let Some(length) = random(default) {
            already
                .get(&**name)
                .cloned()
                .or_else(|| Some(Value::text(draw(length))))
        } else if default == "access_token()" {
            already
                .get(&**name)
                .cloned()
                .or_else(|| token.map(|token| Value::Str(Arc::from(token))))
        } else {
            None
        };
        if let Some(value) = special {
            drawn.insert(name.to_string(), value);
        }
    }
    drawn
}

/// How long a text `random(N)` stands for.
fn random(text: &str) -> Option<usize> {
    let (length, _) = text.strip_prefix("random(")?.split_once(')')?;
    length.trim().parse().ok().filter(|length| *length <= LONGEST)
}
