//! JSON with the objects in it left as they came: one pass over the answer, and nothing copied but what is kept.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::decimal;

/// Reads one member of a JSON object with `seed` and passes over all others.
pub(crate) fn member<'a, S: DeserializeSeed<'a>>(
    body: &'a [u8],
    name: &str,
    seed: S,
) -> Result<Option<S::Value>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Member { name, seed }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The seed of an object of which only the member called `name` is read, with a seed of its own.
pub(crate) struct Member<'n, S> {
    pub(crate) name: &'n str,
    pub(crate) seed: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Member<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(OneMember { name: self.name, seed: Some(self.seed) })
    }
}

struct OneMember<'n, S> {
    name: &'n str,
    seed: Option<S>,
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for OneMember<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key != self.name {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let seed = self.seed.take().ok_or_else(|| A::Error::custom("a member stands twice"))?;
            found = Some(map.next_value_seed(seed)?);
        }
        Ok(found)
    }
}

/// The seed of an object that is taken as it came.
pub(crate) struct Raw;

impl<'de> DeserializeSeed<'de> for Raw {
    type Value = &'de RawValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        <&RawValue>::deserialize(deserializer)
    }
}

/// The seed of a list of at most `max` objects, each of which goes to `each` as it came; more than were asked for are no
/// page, and would not be bounded.
pub(crate) struct Objects<'f> {
    pub(crate) max: u64,
    pub(crate) each: &'f mut dyn FnMut(&RawValue),
}

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    /// How many there were.
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut seen = 0;
        while let Some(raw) = list.next_element::<&RawValue>()? {
            seen += 1;
            if seen > self.max {
                return Err(A::Error::custom("too many objects"));
            }
            (self.each)(raw);
        }
        Ok(seen)
    }
}

/// An object's members by name, for providers whose names differ from kind to kind; a member of an unexpected type counts
/// as absent.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Members<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// Reads an object; none where it is no object.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// A text that is not empty; a number as it is written, since some ids and numbers of documents come as such.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let raw = self.0.get(name)?.get();
        let text = match raw.as_bytes().first()? {
            b'"' => serde_json::from_str(raw).ok()?,
            b'0'..=b'9' => raw.to_owned(),
            _ => return None,
        };
        Some(text).filter(|text: &String| !text.is_empty())
    }

    /// An amount as decimal text.
    pub(crate) fn amount(&self, name: &str) -> Option<String> {
        decimal(self.0.get(name)?.get())
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|raw| raw.get() == "true")
    }

    /// The members of a member.
    pub(crate) fn within(&self, name: &str) -> Option<Self> {
        Self::of(self.0.get(name)?)
    }
}
