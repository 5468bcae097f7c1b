//! The `where` and `order` parameters: comparisons joined by AND and OR, without parentheses around them.

use std::cmp::Ordering;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::Value;

use super::{books::Members, time};

/// Alternatives, in each of which every comparison must hold.
#[derive(Clone, Debug)]
pub(crate) struct Condition(Vec<Vec<Comparison>>);

#[derive(Clone, Debug)]
struct Comparison {
    field: String,
    operator: Operator,
    literal: Literal,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Debug)]
enum Literal {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    Time(Timestamp),
}

const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
];
const METHODS: &[(&str, Operator)] = &[
    (".Contains(", Operator::Contains),
    (".StartsWith(", Operator::StartsWith),
    (".EndsWith(", Operator::EndsWith),
];

impl Condition {
    /// Reads a `where` parameter; `None` if it is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let alternatives = split(text, &["||", " OR "]);
        let comparisons =
            |part: &str| split(part, &["&&", " AND "]).iter().map(|one| Comparison::parse(one)).collect();
        alternatives.iter().map(|part| comparisons(part)).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn holds(&self, body: &Members) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(body)))
    }
}

/// Reads an `order` parameter into fields, each with whether it descends.
pub(crate) fn order(text: &str) -> Vec<(String, bool)> {
    let field = |part: &str| {
        let mut words = part.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.next().is_some_and(|word| word.eq_ignore_ascii_case("DESC"))))
    };
    text.split(',').filter_map(field).collect()
}

/// What an object is ordered by in one field, read once for all comparisons.
pub(crate) struct Key<'a> {
    value: Option<&'a Value>,
    at: Option<Timestamp>,
}

/// What an object is ordered by.
pub(crate) fn keys<'a>(order: &[(String, bool)], body: &'a Members) -> Vec<Key<'a>> {
    let key = |(field, _): &(String, bool)| {
        let value = member(body, field);
        Key { value, at: value.and_then(Value::as_str).and_then(time::parse) }
    };
    order.iter().map(key).collect()
}

/// Compares two objects by what they are ordered by.
pub(crate) fn compare(order: &[(String, bool)], left: &[Key<'_>], right: &[Key<'_>]) -> Ordering {
    let compared = |((_, descends), (left, right)): (&(String, bool), (&Key<'_>, &Key<'_>))| {
        let ordering = match (left.value, right.value) {
            (Some(one), Some(other)) => match (left.at, right.at) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => compare_values(one, other),
            },
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if *descends { ordering.reverse() } else { ordering }
    };
    order.iter().zip(left.iter().zip(right)).map(compared).find(|one| one.is_ne()).unwrap_or(Ordering::Equal)
}

impl Comparison {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        for (method, operator) in METHODS {
            if let Some((field, rest)) = text.split_once(method) {
                let literal = Literal::parse(rest.strip_suffix(')')?)?;
                return Some(Self { field: field.trim().to_owned(), operator: *operator, literal });
            }
        }
        let at = text.find(['=', '!', '<', '>'])?;
        let (symbol, operator) = OPERATORS.iter().find(|(symbol, _)| text[at..].starts_with(symbol))?;
        let literal = Literal::parse(text[at + symbol.len()..].trim())?;
        let field = text[..at].trim().to_owned();
        let is_name =
            !field.is_empty() && field.chars().all(|each| each.is_ascii_alphanumeric() || each == '.');
        is_name.then_some(Self { field, operator: *operator, literal })
    }

    fn holds(&self, body: &Members) -> bool {
        let value = member(body, &self.field).filter(|value| !value.is_null());
        let Some(value) = value else {
            let absent_is_null = matches!(self.literal, Literal::Null) && self.operator == Operator::Equal;
            return absent_is_null
                || (self.operator == Operator::NotEqual && !matches!(self.literal, Literal::Null));
        };
        let ordering = self.literal.compared_with(value);
        let text = || value.as_str().unwrap_or_default().to_lowercase();
        let sought = match &self.literal {
            Literal::Text(text) => text.to_lowercase(),
            _ => String::new(),
        };
        match self.operator {
            Operator::Equal => ordering == Some(Ordering::Equal),
            Operator::NotEqual => ordering != Some(Ordering::Equal),
            Operator::Less => ordering == Some(Ordering::Less),
            Operator::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Operator::Greater => ordering == Some(Ordering::Greater),
            Operator::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Operator::Contains => text().contains(&sought),
            Operator::StartsWith => text().starts_with(&sought),
            Operator::EndsWith => text().ends_with(&sought),
        }
    }
}

impl Literal {
    fn parse(text: &str) -> Option<Self> {
        let inside = |name: &str| {
            let start = text.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name))?;
            text[start.len()..].strip_suffix(')')
        };
        if let Some(parts) = inside("DateTime(") {
            let numbers: Vec<i16> =
                parts.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
            let part = |at: usize| numbers.get(at).copied().unwrap_or(0);
            let small = |at: usize| i8::try_from(part(at)).ok();
            let date =
                civil::DateTime::new(part(0), small(1)?, small(2)?, small(3)?, small(4)?, small(5)?, 0)
                    .ok()?;
            return Some(Self::Time(date.to_zoned(TimeZone::UTC).ok()?.timestamp()));
        }
        if let Some(quoted) = inside("guid(") {
            return Self::parse(quoted);
        }
        match text {
            "null" => return Some(Self::Null),
            "true" | "false" => return Some(Self::Flag(text == "true")),
            _ => {}
        }
        if let Some(quoted) = text.strip_prefix('"') {
            return quoted.strip_suffix('"').map(|inner| Self::Text(inner.to_owned()));
        }
        text.parse().ok().map(Self::Number)
    }

    /// Compares a member's value with this literal.
    fn compared_with(&self, value: &Value) -> Option<Ordering> {
        match self {
            Self::Null => None,
            Self::Flag(flag) => value.as_bool().map(|is| is.cmp(flag)),
            Self::Number(number) => value.as_f64()?.partial_cmp(number),
            Self::Text(text) => Some(value.as_str()?.to_lowercase().cmp(&text.to_lowercase())),
            Self::Time(at) => Some(time::parse(value.as_str()?)?.cmp(at)),
        }
    }
}

/// Finds a member by its dotted name, whatever the capitals.
fn member<'a>(body: &'a Members, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let named = |body: &'a Members, name: &str| {
        body.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let first = named(body, parts.next()?)?;
    parts.try_fold(first, |value, name| named(value.as_object()?, name))
}

fn compare_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default()),
    }
}

/// Splits at any of some separators that do not stand in quotes.
fn split<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        quoted ^= character == '"';
        let found = separators
            .iter()
            .find(|one| text.get(at..at + one.len()).is_some_and(|here| here.eq_ignore_ascii_case(one)));
        if let (Some(found), false) = (found, quoted || at < start) {
            parts.push(&text[start..at]);
            start = at + found.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_or_not() {
        let body = json!({
            "Type": "ACCREC", "Status": "AUTHORISED", "Total": 115.5, "Date": "/Date(1776297600000+0000)/",
            "Contact": { "Name": "City AND Agency" }, "IsDiscounted": false,
        });
        let body = body.as_object().unwrap();
        for (text, is) in [
            (r#"Type=="ACCREC""#, true),
            (r#"Type=="ACCPAY" OR Status="AUTHORISED""#, true),
            (r#"Type=="ACCREC" AND Total>200"#, false),
            (r#"type=="accrec"&&Total >= 115.5"#, true),
            (r#"Contact.Name=="City AND Agency""#, true),
            (r#"Contact.Name.StartsWith("City")"#, true),
            ("Date>=DateTime(2026,04,16) AND Date<DateTime(2026,4,17)", true),
            ("DueDate==null", true),
            ("DueDate!=null", false),
            ("IsDiscounted==true", false),
        ] {
            assert_eq!(Condition::parse(text).unwrap().holds(body), is, "{text}");
        }
    }

    #[test]
    fn nonsense_is_not_understood() {
        for text in ["", "Type", "Type==ACCREC", "(Type==\"A\")", "Date>DateTime(x)", "Type==\"open"] {
            assert!(Condition::parse(text).is_none(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_condition_makes_the_parser_panic(text in ".{0,60}") {
            drop(Condition::parse(&text));
        }
    }
}
