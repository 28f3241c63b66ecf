//! What a contextualization log says of each task: the `ansible_output` attribute.
//!
//! Reads the text that clients see too. Never fails: what it does not understand it passes over.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// What one task said last.
#[derive(Clone, Debug, Default, PartialEq)]
struct Task {
    state: String,
    output: String,
}

/// The steps of a log, as `{step: {tasks: {task: {state, output}}}}`. Of a step or a task that appears again, the last
/// counts.
pub fn ansible_output(log: &str) -> Value {
    let mut steps: IndexMap<&str, IndexMap<&str, Task>> = IndexMap::new();
    let mut step: Option<&str> = None;
    let mut task: Option<&str> = None;
    let mut at = 0;
    for line in log.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let line = line.trim_end_matches(['\r', '\n']);
        // The sentence before has no line end.
        if let Some((_, name)) = line.split_once("Launch task: ") {
            step = Some(name.trim());
            steps.entry(name.trim()).or_default();
            task = None;
        } else if let Some(name) = task_name(line) {
            task = Some(name);
            if let Some(step) = step {
                steps.entry(step).or_default().insert(name, Task::default());
            }
        } else if let (Some(step), Some(name)) = (step, task)
            && let Some((state, rest)) = state(line)
        {
            let found = Task {
                state: state.to_owned(),
                output: log
                    .get(begin + (line.len() - rest.len())..)
                    .map(|text| output(text, rest))
                    .unwrap_or_default(),
            };
            steps.entry(step).or_default().insert(name, found);
            // The first host that says something says it for the task.
            task = None;
        }
    }
    let steps = steps.into_iter().map(|(step, tasks)| {
        let tasks: Map<String, Value> = tasks
            .into_iter()
            .map(|(name, task)| (name.to_owned(), json!({"state": task.state, "output": task.output})))
            .collect();
        (step.to_owned(), json!({ "tasks": tasks }))
    });
    Value::Object(steps.collect())
}

/// The name in `TASK [NAME] ***`.
fn task_name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("TASK [")?;
    let end = rest.rfind("] **").or_else(|| rest.rfind(']'))?;
    rest.get(..end)
}

/// The state of `STATE: [HOST]…`, and what follows the bracket.
fn state(line: &str) -> Option<(&str, &str)> {
    let (state, rest) = line.split_once(": [")?;
    if state.is_empty() || !state.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let (_, rest) = rest.split_once(']')?;
    Some((state, rest))
}

/// The message of the JSON after `=> `, which may go on for lines, or the JSON's text where it has none.
fn output(text: &str, first_line: &str) -> String {
    let Some(arrow) = first_line.find("=> {") else {
        return String::new();
    };
    let Some(text) = text.get(arrow + 3..) else {
        return String::new();
    };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => {
            let raw = text.get(..values.byte_offset()).unwrap_or_default();
            match value.get("msg") {
                Some(Value::String(message)) => message.clone(),
                Some(Value::Null) | None => raw.to_owned(),
                Some(other) => other.to_string(),
            }
        }
        // Cut off in the middle, as logs are.
        _ => first_line.get(arrow + 3..).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::ansible_output;
    use serde_json::json;

    #[test]
    fn steps_tasks_and_messages() {
        let log = "read successfullyLaunch task: main_front\n\nPLAY [a_0] ***\n\nTASK [debug] ****\nFriday 26 November\n\
            ok: [a_0] => {\n\"changed\": false,\n\"msg\": \"it says\\n\\\"}\\\"\"\n}\nok: [b_1] => {\"msg\": \"later\"}\n\n\
            TASK [role : with [brackets]] ***\nfatal: [a_0]: FAILED! => {\"rc\": 1, \"stderr\": \"no\"}\n...ignoring\n\
            TASK [skip] ***\nskipping: [a_0]\n\
            Launch task: front_conf_front\nTASK [twice] ***\nok: [a]\nTASK [twice] ***\nchanged: [a -> b] => (item=1) => {\"msg\": [1, 2]}\n\
            TASK [lone] ***\nok: [a] => {\"msg\": \"only this\"}\nTASK [cut] ***\nok: [a] => {\n  \"msg\": \"never e";
        assert_eq!(
            ansible_output(log),
            json!({
                "main_front": {"tasks": {
                    "debug": {"state": "ok", "output": "it says\n\"}\""},
                    "role : with [brackets]": {"state": "fatal", "output": "{\"rc\": 1, \"stderr\": \"no\"}"},
                    "skip": {"state": "skipping", "output": ""},
                }},
                "front_conf_front": {"tasks": {
                    "twice": {"state": "changed", "output": "[1,2]"},
                    "lone": {"state": "ok", "output": "only this"},
                    "cut": {"state": "ok", "output": "{"},
                }},
            })
        );
    }

    #[test]
    fn nothing_to_read() {
        assert_eq!(ansible_output(""), json!({}));
        assert_eq!(ansible_output("TASK [a] ***\nok: [x]\nhttp://a: [b]\n"), json!({}));
    }
}
