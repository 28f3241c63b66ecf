//! Texts that recipes get as variables: the original wrote them between double quotes of YAML, and recipes rely on
//! what that does to backslashes.

/// A text as YAML reads it between double quotes, where that is possible; else the text as it stands. A `|` and a line
/// end at the begin stand for a block of text, as in YAML.
pub(super) fn unescaped(text: &str) -> String {
    if let Some(block) = block(text) {
        return block;
    }
    double_quoted(text).unwrap_or_else(|| text.to_owned())
}

/// None where the text cannot stand between double quotes.
fn double_quoted(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '"' {
            return None;
        }
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            '0' => out.push('\0'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            't' | '\t' => out.push('\t'),
            'n' => out.push('\n'),
            'v' => out.push('\u{b}'),
            'f' => out.push('\u{c}'),
            'r' => out.push('\r'),
            'e' => out.push('\u{1b}'),
            c @ (' ' | '"' | '/' | '\\') => out.push(c),
            'N' => out.push('\u{85}'),
            '_' => out.push('\u{a0}'),
            'L' => out.push('\u{2028}'),
            'P' => out.push('\u{2029}'),
            // A line of a script that goes on in the next: meant as it stands.
            '\n' => out.push_str("\\\n"),
            'x' => out.push(hex(&mut chars, 2)?),
            'u' => out.push(hex(&mut chars, 4)?),
            'U' => out.push(hex(&mut chars, 8)?),
            _ => return None,
        }
    }
    Some(out)
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let text: String = chars.by_ref().take(digits).collect();
    if text.len() != digits {
        return None;
    }
    char::from_u32(u32::from_str_radix(&text, 16).ok()?)
}

/// `|` with its indicators, then lines that are indented alike.
fn block(text: &str) -> Option<String> {
    let (head, body) = text.strip_prefix('|')?.split_once('\n')?;
    let head = head.trim();
    if !head.chars().all(|c| c == '-' || c == '+') {
        return None;
    }
    let filled = || body.lines().filter(|line| !line.trim().is_empty());
    let indent = filled()
        .map(|line| line.len() - line.trim_start_matches(' ').len())
        .min()?;
    if indent == 0 {
        return None;
    }
    let lines: Vec<&str> = body.lines().map(|line| line.get(indent..).unwrap_or("")).collect();
    let text = lines.join("\n");
    Some(match head {
        "-" => text.trim_end_matches('\n').to_owned(),
        "+" => text + "\n",
        _ => text.trim_end_matches('\n').to_owned() + "\n",
    })
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn as_between_double_quotes() {
        for (text, value) in [
            ("plain", "plain"),
            ("a\\nb", "a\nb"),
            ("two\nlines", "two\nlines"),
            ("a \"quoted\" word", "a \"quoted\" word"),
            ("a \"quoted\" \\n word", "a \"quoted\" \\n word"),
            ("a \\\"quoted\\\" word", "a \"quoted\" word"),
            ("C:\\dir", "C:\\dir"),
            ("\\d+\\n", "\\d+\\n"),
            ("\\x41\\u00e9", "Aé"),
            ("\\x4", "\\x4"),
            ("end\\", "end\\"),
            ("cmd \\\n  --flag", "cmd \\\n  --flag"),
            ("{{ a['b'] }}", "{{ a['b'] }}"),
            ("|\n  one\n    two\n\n  three\n\n", "one\n  two\n\nthree\n"),
            ("|-\n  one\n", "one"),
            ("|\nnot indented", "|\nnot indented"),
            ("| grep x", "| grep x"),
            ("", ""),
        ] {
            assert_eq!(unescaped(text), value, "{text:?}");
        }
    }
}
