//! From the columns of a file to the rows of the API.

use std::collections::{HashMap, HashSet};

use anyhow::bail;
use csv::ByteRecord;
use serde_json::{Map, Value};

use super::source::Line;

/// The fields of a row, and those of its tokens.
const ROW: [&str; 10] = [
    "tenantId",
    "provider",
    "providerCompanyId",
    "companyName",
    "location",
    "scopes",
    "accessTokenExpiresAt",
    "refreshTokenExpiresAt",
    "createdAt",
    "updatedAt",
];
const TOKENS: [&str; 9] = [
    "format",
    "salt",
    "iv",
    "accessIv",
    "refreshIv",
    "accessToken",
    "accessTag",
    "refreshToken",
    "refreshTag",
];
/// In place of a field: the column is left out.
const LEFT_OUT: &str = "-";
/// A name of a column that is longer may be a value of a file without a header, which is not repeated.
const MAX_NAME: usize = 32;

/// What the columns of a file are.
pub(super) struct Columns {
    /// Fields by the names of columns, as the command line says.
    maps: HashMap<String, String>,
    /// The format of tokens that do not name one.
    format: Option<String>,
    header: Vec<String>,
}

/// Where a column goes.
enum Place {
    Row(&'static str),
    Tokens(&'static str),
    Nowhere,
}

impl Columns {
    pub(super) fn new(maps: HashMap<String, String>, format: Option<String>) -> Self {
        Self { maps, format, header: vec![] }
    }

    /// Takes the header of a CSV file, which must be known as a whole: a column that is lost unseen may be the salt.
    pub(super) fn read_header(&mut self, record: &ByteRecord) -> anyhow::Result<()> {
        let mut taken = HashSet::new();
        for (bytes, number) in record.iter().zip(1..) {
            let name = String::from_utf8_lossy(bytes).trim().to_owned();
            let place = self.place(&name);
            // Which of the two is right nobody can tell.
            if let Some(Place::Row(field) | Place::Tokens(field)) = place
                && !taken.insert(field)
            {
                bail!(
                    "column {number} is {field}, and so is one before it: leave one out with --map column=-"
                );
            }
            if place.is_none() {
                let known = ROW.iter().chain(&TOKENS).copied().collect::<Vec<_>>().join(", ");
                bail!(
                    "column {number}{} is none of {known}: say which it is with --map column=field, or --map column=- to leave it out",
                    shown(&name)
                );
            }
            self.header.push(name);
        }
        Ok(())
    }

    /// The fields of a record, by the names of the header.
    pub(super) fn of_record(&self, record: &ByteRecord) -> Line {
        if record.len() != self.header.len() {
            let (has, wanted) = (record.len(), self.header.len());
            return Line::Refused(format!("the row has {has} columns, and the header {wanted}"));
        }
        let mut row = Map::new();
        for (name, bytes) in self.header.iter().zip(record) {
            let Ok(text) = std::str::from_utf8(bytes) else {
                return Line::Refused("the row is not written in UTF-8".to_owned());
            };
            row.insert(name.clone(), text.into());
        }
        Line::Row(row)
    }

    /// The row as the API takes it: one that has `tokens` is that already, of any other each field finds its place.
    pub(super) fn row(&self, fields: Map<String, Value>, line: u64) -> Result<Map<String, Value>, String> {
        let mut row = fields;
        if !row.contains_key("tokens") {
            let (mut own, mut tokens) = (Map::new(), Map::new());
            for (name, value) in row {
                let (of, field) = match self.place(&name) {
                    Some(Place::Row(field)) => (&mut own, field),
                    Some(Place::Tokens(field)) => (&mut tokens, field),
                    Some(Place::Nowhere) => continue,
                    None => {
                        return Err(format!(
                            "the field{} is not known: say which it is with --map",
                            shown(&name)
                        ));
                    }
                };
                if of.insert(field.to_owned(), value).is_some() {
                    return Err(format!("{field} is there twice: leave one out with --map"));
                }
            }
            own.insert("tokens".to_owned(), tokens.into());
            row = own;
        }
        if let (Some(format), Some(tokens)) =
            (&self.format, row.get_mut("tokens").and_then(Value::as_object_mut))
        {
            let own = tokens.entry("format").or_insert(Value::Null);
            // As the API has it: null and empty are as good as absent.
            if own.is_null() || own.as_str().is_some_and(|own| own.trim().is_empty()) {
                *own = format.clone().into();
            }
        }
        row.insert("line".to_owned(), line.into());
        Ok(row)
    }

    fn place(&self, column: &str) -> Option<Place> {
        let named = self.maps.get(column).map_or(column, String::as_str);
        if named == LEFT_OUT {
            return Some(Place::Nowhere);
        }
        let find = |fields: &[&'static str]| fields.iter().find(|field| same(field, named)).copied();
        find(&ROW).map(Place::Row).or_else(|| find(&TOKENS).map(Place::Tokens))
    }
}

/// Whether two names differ in nothing but how words are told apart: `tenantId`, `tenant_id`, `Tenant ID`.
fn same(field: &str, name: &str) -> bool {
    let letters = |name: &str| {
        name.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|char| char.to_ascii_lowercase())
            .collect::<String>()
    };
    letters(field) == letters(name)
}

/// A name for a message, where it can be nothing but one.
fn shown(name: &str) -> String {
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | ' ');
    let is_one = !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_name);
    if is_one { format!(" ({name})") } else { String::new() }
}
