//! The sample events, as the functions get them.

use std::path::Path;

use lambda_http::Request;
use serde_json::Value;

/// The text of a file in `events/`.
pub(crate) fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("events").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The JSON of a file in `events/`.
pub(crate) fn json(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

/// A request of the gateway, from a file in `events/`.
pub(crate) fn request(name: &str) -> Request {
    lambda_http::request::from_str(&text(name)).unwrap()
}

#[test]
fn every_sample_is_listed_and_every_listed_sample_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("events");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort();

    let index = text("README.md");
    let mut listed: Vec<_> = index
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    listed.sort();

    assert_eq!(found, listed);
}
