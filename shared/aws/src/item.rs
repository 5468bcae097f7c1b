//! Items: typed writing and reading of attributes, and the small parts that every expression needs.

use std::{
    collections::{BTreeSet, HashMap},
    str::FromStr,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::store::{BoxError, StoreError};
use jiff::Timestamp;
use serde::{
    Deserialize,
    de::value::{Error as WordError, StrDeserializer},
};
use thiserror::Error;

/// An item as the SDK gives and takes it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Why an item is not understood; its values are not repeated.
#[derive(Debug, Error)]
enum ItemError {
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    #[error("the attribute {0} is not of its type")]
    Type(&'static str),
    #[error("the attribute {attribute} has no valid value")]
    Value {
        attribute: &'static str,
        #[source]
        source: BoxError,
    },
}

/// Text as an attribute value.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as an attribute value.
pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// An instant as an attribute value: milliseconds, which conditions compare.
pub(crate) fn instant(value: Timestamp) -> AttributeValue {
    number(value.as_millisecond())
}

/// Bytes as an attribute value.
pub(crate) fn bytes(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// A text as bytes at half its length, if it is `prefix` and hexadecimal digits, as ids and fingerprints are; any other as it
/// is.
pub(crate) fn hexed(prefix: &str, value: &str) -> AttributeValue {
    let is_canonical =
        |bytes: &Vec<u8>| !bytes.is_empty() && format!("{prefix}{}", hex::encode(bytes)) == value;
    let digits = value.strip_prefix(prefix).and_then(|digits| hex::decode(digits).ok());
    digits.filter(is_canonical).map_or_else(|| text(value), |digits| bytes(&digits))
}

/// Adds attributes to an item, leaving out those that have no value.
pub(crate) trait Put {
    /// Adds an attribute.
    fn put(self, name: &str, value: AttributeValue) -> Self;

    /// Adds an attribute if there is a value.
    fn put_if(self, name: &str, value: Option<AttributeValue>) -> Self;
}

impl Put for Item {
    fn put(mut self, name: &str, value: AttributeValue) -> Self {
        self.insert(name.to_owned(), value);
        self
    }

    fn put_if(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }
}

/// The placeholders of expressions: `#name` stands for the attribute `name`, since many plain words are reserved.
pub(crate) fn names<const N: usize>(expressions: [&str; N]) -> HashMap<String, String> {
    let name_of = |part: &str| {
        let end = part.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        part[..end].to_owned()
    };
    let parts = expressions.into_iter().flat_map(|expression| expression.split('#').skip(1));
    parts.map(name_of).map(|name| (format!("#{name}"), name)).collect()
}

/// The size of an item by `DynamoDB`'s rules (developer guide, "item sizes and formats").
pub(crate) fn weight(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_weight(value)).sum()
}

fn value_weight(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::M(map) => 3 + map.len() + weight(map),
        AttributeValue::L(list) => 3 + list.len() + list.iter().map(value_weight).sum::<usize>(),
        _ => 1,
    }
}

/// Reads the attributes of an item; whatever is missing or ill-typed is [`StoreError::Corrupt`].
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    what: &'static str,
    item: &'a Item,
}

impl<'a> Reader<'a> {
    /// Reads `item`, called `what` in errors.
    pub(crate) fn new(what: &'static str, item: &'a Item) -> Self {
        Self { what, item }
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, StoreError> {
        self.text_if(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn text_if(&self, name: &'static str) -> Result<Option<&'a str>, StoreError> {
        self.value_if(name, |value| value.as_s().ok().map(String::as_str))
    }

    pub(crate) fn owned_if(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.text_if(name)?.map(str::to_owned))
    }

    pub(crate) fn bytes(&self, name: &'static str) -> Result<&'a [u8], StoreError> {
        self.bytes_if(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn bytes_if(&self, name: &'static str) -> Result<Option<&'a [u8]>, StoreError> {
        self.value_if(name, |value| value.as_b().ok().map(AsRef::as_ref))
    }

    /// A text that [`hexed`] wrote.
    pub(crate) fn hexed(&self, name: &'static str, prefix: &str) -> Result<String, StoreError> {
        self.hexed_if(name, prefix)?.ok_or_else(|| self.missing(name))
    }

    /// As [`Self::hexed`], where the attribute is there.
    pub(crate) fn hexed_if(&self, name: &'static str, prefix: &str) -> Result<Option<String>, StoreError> {
        self.value_if(name, |value| match value {
            AttributeValue::S(text) => Some(text.clone()),
            AttributeValue::B(bytes) => Some(format!("{prefix}{}", hex::encode(bytes))),
            _ => None,
        })
    }

    /// An id that [`hexed`] wrote.
    pub(crate) fn hexed_id<T>(&self, name: &'static str, prefix: &str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        self.hexed(name, prefix)?.parse().map_err(|error: T::Err| self.value(name, error))
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, StoreError> {
        self.flag_if(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn flag_if(&self, name: &'static str) -> Result<Option<bool>, StoreError> {
        self.value_if(name, |value| value.as_bool().ok().copied())
    }

    pub(crate) fn number<T>(&self, name: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        self.number_if(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn instant(&self, name: &'static str) -> Result<Timestamp, StoreError> {
        self.instant_if(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn instant_if(&self, name: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let milliseconds = self.number_if::<i64>(name)?;
        let instant = |milliseconds| Timestamp::from_millisecond(milliseconds);
        milliseconds.map(instant).transpose().map_err(|error| self.value(name, error))
    }

    /// A map inside the item; a null counts as none.
    pub(crate) fn map_if(&self, name: &'static str) -> Result<Option<Self>, StoreError> {
        if self.item.get(name).is_some_and(AttributeValue::is_null) {
            return Ok(None);
        }
        let map = self.value_if(name, |value| value.as_m().ok())?;
        Ok(map.map(|item| Self { what: self.what, item }))
    }

    /// Whether nothing is in it.
    pub(crate) fn has_nothing(&self) -> bool {
        self.item.is_empty()
    }

    /// A map that must be there.
    pub(crate) fn map(&self, name: &'static str) -> Result<Self, StoreError> {
        self.map_if(name)?.ok_or_else(|| self.missing(name))
    }

    /// A list of texts that a domain type reads.
    pub(crate) fn list<T>(&self, name: &'static str) -> Result<Vec<T>, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        let list = self.value_if(name, |value| value.as_l().ok())?.ok_or_else(|| self.missing(name))?;
        let parse = |value: &AttributeValue| {
            let text = value.as_s().map_err(|_| self.corrupt(ItemError::Type(name)))?;
            text.parse().map_err(|error: T::Err| self.value(name, error))
        };
        list.iter().map(parse).collect()
    }

    /// A set of texts that a domain type reads; empty where there is none, as `DynamoDB` knows no empty set.
    pub(crate) fn set<T>(&self, name: &'static str) -> Result<BTreeSet<T>, StoreError>
    where
        T: FromStr<Err: Into<BoxError>> + Ord,
    {
        let set = self.value_if(name, |value| value.as_ss().ok())?;
        let parse = |text: &String| text.parse().map_err(|error: T::Err| self.value(name, error));
        set.into_iter().flatten().map(parse).collect()
    }

    /// A text that a domain type reads.
    pub(crate) fn parsed<T>(&self, name: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        self.parsed_after(name, "")
    }

    /// As [`Self::parsed`], where the attribute is there.
    pub(crate) fn parsed_if<T>(&self, name: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        let parse = |text: &str| text.parse().map_err(|error: T::Err| self.value(name, error));
        self.text_if(name)?.map(parse).transpose()
    }

    /// A text behind a prefix, as in keys.
    pub(crate) fn parsed_after<T>(&self, name: &'static str, prefix: &str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        let text = self.text(name)?;
        let text = text.strip_prefix(prefix).ok_or_else(|| self.value(name, "another kind of key"))?;
        text.parse().map_err(|error: T::Err| self.value(name, error))
    }

    /// A word that names a variant.
    pub(crate) fn word<T: Deserialize<'a>>(&self, name: &'static str) -> Result<T, StoreError> {
        self.word_if(name)?.ok_or_else(|| self.missing(name))
    }

    /// As [`Self::word`], where the attribute is there.
    pub(crate) fn word_if<T: Deserialize<'a>>(&self, name: &'static str) -> Result<Option<T>, StoreError> {
        let word = |text| T::deserialize(StrDeserializer::<WordError>::new(text));
        self.text_if(name)?.map(word).transpose().map_err(|error| self.value(name, error))
    }

    /// A text of words between spaces.
    pub(crate) fn words(&self, name: &'static str) -> Result<Vec<String>, StoreError> {
        Ok(self.text(name)?.split_whitespace().map(str::to_owned).collect())
    }

    /// The error for a value that is of its type and still makes no sense.
    pub(crate) fn value(&self, attribute: &'static str, source: impl Into<BoxError>) -> StoreError {
        self.corrupt(ItemError::Value { attribute, source: source.into() })
    }

    pub(crate) fn number_if<T>(&self, name: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Into<BoxError>>,
    {
        let digits = self.value_if(name, |value| value.as_n().ok())?;
        let parse = |digits: &String| digits.parse().map_err(|error: T::Err| self.value(name, error));
        digits.map(parse).transpose()
    }

    fn value_if<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&'a AttributeValue) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(value) = self.item.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.corrupt(ItemError::Type(name)))
    }

    fn missing(&self, name: &'static str) -> StoreError {
        self.corrupt(ItemError::Missing(name))
    }

    fn corrupt(&self, error: ItemError) -> StoreError {
        StoreError::Corrupt { what: self.what, source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use domain::{connection::ConnectionState, store::chain};

    use super::*;

    #[test]
    fn every_name_in_an_expression_has_its_placeholder_and_no_other() {
        let names = names(["SET #st = :x, #tok = if_not_exists(#lease.#x, :none)", "#st = :y"]);

        let mut found: Vec<_> = names.into_iter().collect();
        found.sort();
        let expected = ["lease", "st", "tok", "x"].map(|name| (format!("#{name}"), name.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_missing_ill_typed_or_senseless_is_corrupt_by_name_and_never_by_value() {
        let item = Item::new().put("n", text("7")).put("st", text("asleep")).put("t", number(i64::MAX));
        let reader = Reader::new("connection", &item);
        let said = |error| chain(&error);

        assert_eq!(
            said(reader.text("pk").unwrap_err()),
            "connection as stored cannot be read: the attribute pk is missing"
        );
        assert_eq!(
            said(reader.number::<u64>("n").unwrap_err()),
            "connection as stored cannot be read: the attribute n is not of its type"
        );
        assert!(said(reader.instant("t").unwrap_err()).contains("the attribute t has no valid value"));
        assert!(reader.word::<ConnectionState>("st").is_err());
    }

    #[test]
    fn a_text_of_hexadecimal_digits_takes_half_its_length_and_any_text_comes_back() {
        let id = "w_0199f0a5c0de7000a000000000000001";
        for text in [id, "w_", "w_0", "w_0A", "worker", "", "0199"] {
            let item = Item::new().put("w", hexed("w_", text));
            assert_eq!(Reader::new("x", &item).hexed("w", "w_").unwrap(), text);
        }

        assert_eq!(value_weight(&hexed("w_", id)), 16);
    }

    #[test]
    fn instants_keep_their_milliseconds() {
        let at = Timestamp::from_millisecond(1_763_689_000_123).unwrap();
        let item = Item::new().put("at", instant(at));

        assert_eq!(Reader::new("x", &item).instant("at").unwrap(), at);
    }
}
