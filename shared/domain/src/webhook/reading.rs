//! What the readers of all three providers share: members by name, times, and the key that makes an event the same event.

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Timestamp, civil::DateTime, fmt::strtime, tz::TimeZone};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{Operation, WebhookEvent};

/// No provider's word for a kind of object is nearly as long.
const MAX_ENTITY: usize = 64;

/// A rightly signed body that is not what its provider documents; the reason repeats nothing of it.
#[derive(Debug, Error)]
#[error("the body is not readable: {0}")]
pub(super) struct Unread(pub(super) String);

impl From<serde_json::Error> for Unread {
    /// The error's own text may repeat what it read; its place does not.
    fn from(error: serde_json::Error) -> Self {
        let what = if error.is_data() { "not of the known shape" } else { "not JSON" };
        Self(format!("{what}, line {} column {}", error.line(), error.column()))
    }
}

/// What a body says.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Its events.
    pub(super) events: Vec<WebhookEvent>,
    /// How many elements were not understood.
    pub(super) unknown: u64,
}

impl Parsed {
    /// Takes in what one element says; nothing where it is not understood.
    pub(super) fn add(&mut self, events: Option<impl IntoIterator<Item = WebhookEvent>>) {
        match events {
            Some(events) => self.events.extend(events),
            None => self.unknown += 1,
        }
    }
}

/// The members of a JSON object by their names in small letters: providers do not agree with themselves on them.
///
/// Values stay unread until they are asked for, so that nothing nested or numeric in them can do harm. An object that has
/// a name twice is refused, since nobody can say which of the two its sender meant.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// The object that this JSON value is.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// The object that a whole body is. A byte order mark before it is passed over (RFC 8259 section 8.1).
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Unread> {
        Ok(serde_json::from_slice(without_mark(body))?)
    }

    /// The value of a member.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// An id: text, or a whole number digit by digit, since it may be greater than a number in JSON can tell.
    pub(super) fn id(&self, name: &str) -> Option<String> {
        let digits = |raw: &str| raw.bytes().all(|byte| byte.is_ascii_digit()).then(|| raw.to_owned());
        self.text(name).or_else(|| digits(self.raw(name)?.get()))
    }

    /// The elements of a member that is an array.
    pub(super) fn elements(&self, name: &str) -> Result<Vec<&'a RawValue>, Unread> {
        let raw = self.raw(name).ok_or_else(|| Unread(format!("there is no member {name}")))?;
        Ok(serde_json::from_str(raw.get())?)
    }

    /// Every member that is an object.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&str, Members<'a>)> {
        self.0.iter().filter_map(|(name, raw)| Some((name.as_str(), Members::of(raw)?)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadMembers)
    }
}

struct ReadMembers;

impl<'de> Visitor<'de> for ReadMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            if members.insert(name.to_ascii_lowercase(), value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(Members(members))
    }
}

/// The elements of a body that is an array.
pub(super) fn elements(body: &[u8]) -> Result<Vec<&RawValue>, Unread> {
    Ok(serde_json::from_slice(without_mark(body))?)
}

/// Whether a body begins as an object does.
pub(super) fn is_object(body: &[u8]) -> bool {
    without_mark(body).trim_ascii_start().first() == Some(&b'{')
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A provider's word for a kind of object, in small letters.
pub(super) fn entity(word: &str) -> Option<String> {
    let fits = (1..=MAX_ENTITY).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    fits.then(|| word.to_ascii_lowercase())
}

/// What a word says that happened.
pub(super) fn operation(word: &str) -> Option<Operation> {
    Some(match word.to_ascii_lowercase().as_str() {
        "created" | "create" => Operation::Created,
        "updated" | "update" | "edited" | "edit" | "emailed" | "void" | "voided" => Operation::Updated,
        "deleted" | "delete" => Operation::Deleted,
        "merged" | "merge" => Operation::Merged,
        _ => return None,
    })
}

/// RFC 3339; the older form whose offset has no colon; or a time without an offset, which is UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let without_colon = || strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?.to_timestamp().ok();
    let in_utc =
        || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(without_colon).or_else(in_utc)
}

/// What makes an event the same event when it comes again: 43 letters for parts of any length, each hashed with its length
/// before it, so that no two lists of parts are the same text.
pub(super) fn key(parts: &[&[u8]]) -> String {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_that_a_provider_writes() {
        for (text, expected) in [
            ("2025-09-10T21:31:25.179851517Z", "2025-09-10T21:31:25.179851517Z"),
            ("2015-10-05T14:42:19-0700", "2015-10-05T21:42:19Z"),
            ("2026-06-09T17:12:00-0400", "2026-06-09T21:12:00Z"),
            ("2026-06-09T17:12:00.25+05:30", "2026-06-09T11:42:00.25Z"),
            ("2024-06-21T01:15:39.902", "2024-06-21T01:15:39.902Z"),
            ("2024-06-21T01:15:39", "2024-06-21T01:15:39Z"),
        ] {
            assert_eq!(instant(text).map(|at| at.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "yesterday", "1763683200", "2024-06-21T25:00:00", "99999-01-01T00:00:00"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_keeps_every_digit_and_a_number_that_is_no_id_is_none() {
        let body = br#"{"a":"460000000028144","B":9007199254740993460000000028144,"c":4.6e17,"d":-1,"e":null,"f":[1]}"#;

        let members = Members::read(body).unwrap();

        let id = |name| members.id(name);
        assert_eq!(id("a").as_deref(), Some("460000000028144"));
        assert_eq!(id("b").as_deref(), Some("9007199254740993460000000028144"));
        assert_eq!([id("c"), id("d"), id("e"), id("f"), id("g")], [const { None }; 5]);
    }

    #[test]
    fn what_is_there_twice_is_refused_and_what_nobody_asks_for_is_not_read() {
        assert!(Members::read(br#"{"id":1,"ID":2}"#).is_err());

        let deep = format!(r#"{{"x":{}{},"y":1e400,"id":"7"}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let members = Members::read(deep.as_bytes()).unwrap();

        assert_eq!(members.id("id").as_deref(), Some("7"));
        assert_eq!(members.text("y"), None);
    }

    #[test]
    fn why_a_body_was_not_read_repeats_nothing_of_it() {
        for body in ["\"hunter2\"", "{\"hunter2\":1,\"hunter2\":1}", "{\"hunter2\"", "hunter2"] {
            let reason = Members::read(body.as_bytes()).unwrap_err().to_string();
            assert!(!reason.contains("hunter2") && reason.contains("column"), "{reason}");
        }
    }

    #[test]
    fn parts_cannot_be_moved_without_another_key() {
        let keys = [key(&[b"ab", b"c"]), key(&[b"a", b"bc"]), key(&[b"abc"]), key(&[b"abc", b""])];

        for (place, one) in keys.iter().enumerate() {
            assert_eq!(one.len(), 43);
            assert!(!keys[place + 1..].contains(one));
        }
    }
}
