//! Where two JSON values first differ.

use serde_json::Value;

/// Characters of a value that are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Where `shown` is not what is `proven`, in words; none if they are the same. `path` leads to both.
pub fn difference(path: &str, shown: &Value, proven: &Value) -> Option<String> {
    match (shown, proven) {
        (Value::Object(shown), Value::Object(proven)) => {
            let inner = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let of_shown = shown.iter().find_map(|(name, value)| match proven.get(name) {
                Some(proven) => difference(&inner(name), value, proven),
                None => Some(format!("{} is not part of what is proven", inner(name))),
            });
            let missing = || proven.keys().find(|name| !shown.contains_key(*name));
            of_shown.or_else(|| missing().map(|name| format!("{} is missing", inner(name))))
        }
        (Value::Array(shown), Value::Array(proven)) if shown.len() == proven.len() => {
            let mut pairs = shown.iter().zip(proven).enumerate();
            pairs.find_map(|(at, (shown, proven))| difference(&format!("{path}[{at}]"), shown, proven))
        }
        (shown, proven) if shown == proven => None,
        (Value::String(shown), Value::String(proven)) if shown.len().min(proven.len()) > SHOWN_CHARS_MAX => {
            let same = shown.chars().zip(proven.chars()).take_while(|(shown, proven)| shown == proven).count();
            Some(format!("{path} is not what is proven: it differs from character {} on", same + 1))
        }
        (shown, proven) => Some(format!("{path} is {}, but {} is proven", short(shown), short(proven))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}..", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

    use serde_json::json;

    use super::difference;

    #[test]
    fn the_first_difference_is_named() {
        let proven = json!({ "a": 1, "b": [{ "c": "x" }, null] });
        let told = |shown| difference("", &shown, &proven);
        assert_eq!(told(proven.clone()), None);
        assert_eq!(told(json!({ "a": 1.0, "b": [{ "c": "x" }, null] })).unwrap(), "a is 1.0, but 1 is proven");
        assert_eq!(told(json!({ "a": 1, "b": [{ "c": "y" }, null] })).unwrap(), "b[0].c is \"y\", but \"x\" is proven");
        assert_eq!(told(json!({ "a": 1, "b": [{}, null] })).unwrap(), "b[0].c is missing");
        assert_eq!(
            told(json!({ "a": 1, "b": [{ "c": "x" }, null], "d": 1 })).unwrap(),
            "d is not part of what is proven"
        );
        assert!(told(json!({ "a": 1, "b": [null] })).unwrap().starts_with("b is [null], but [{"));
        assert!(told(json!([])).is_some());
        let long = |end| json!(["x".repeat(200) + end]);
        let deep = difference("a", &long("y"), &long("z")).unwrap();
        assert_eq!(deep, "a[0] is not what is proven: it differs from character 201 on");
    }
}
