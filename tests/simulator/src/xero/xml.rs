//! The same answers in XML, which Xero sends to everyone who does not ask for JSON.

use serde_json::Value;

use super::time;
use crate::consent::escaped;

/// Writes a document with a root element.
pub(crate) fn document(root: &str, body: &Value) -> String {
    let mut text = String::new();
    element(&mut text, root, body);
    text
}

fn element(text: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            open(text, name);
            for (member, value) in members {
                element(text, member, value);
            }
            close(text, name);
        }
        Value::Array(values) => {
            open(text, name);
            for value in values {
                // Lists are named in the plural, their elements in the singular.
                element(text, name.strip_suffix('s').unwrap_or(name), value);
            }
            close(text, name);
        }
        Value::String(content) => simple(text, name, &iso(content)),
        other => simple(text, name, &other.to_string()),
    }
}

fn simple(text: &mut String, name: &str, content: &str) {
    open(text, name);
    text.push_str(&escaped(content));
    close(text, name);
}

fn open(text: &mut String, name: &str) {
    text.extend(["<", name, ">"]);
}

fn close(text: &mut String, name: &str) {
    text.extend(["</", name, ">"]);
}

/// Times have another form in XML than in JSON.
fn iso(content: &str) -> String {
    match time::parse(content) {
        Some(at) if content.starts_with("/Date(") => time::milliseconds(at),
        _ => content.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_dates_and_special_characters_are_written() {
        let body = json!({ "Contacts": [{ "Name": "A & B", "Website": null }], "At": "/Date(0+0000)/" });

        assert_eq!(
            document("Response", &body),
            "<Response><At>1970-01-01T00:00:00.000</At><Contacts><Contact><Name>A &amp; B</Name></Contact></Contacts></Response>"
        );
    }
}
