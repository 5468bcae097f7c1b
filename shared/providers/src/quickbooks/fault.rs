//! Intuit's error bodies, in every shape that has been seen.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest code or type that is kept.
const WORD_MAX: usize = 64;
/// What Envoy says in front of Intuit when time ran out, whatever the status.
const STREAM_TIMEOUT: &str = "stream timeout";

/// What an error body says, without its `Detail`, in which Intuit repeats the access token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Fault {
    /// The number of the error, without leading zeros.
    pub(super) code: Option<String>,
    /// The type of the fault, such as `AUTHENTICATION`.
    pub(super) kind: Option<String>,
    /// Whether a gateway gave up waiting.
    pub(super) timed_out: bool,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(alias = "Fault", borrow)]
    fault: Option<Body<'a>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(alias = "Error", borrow, default)]
    error: Option<Vec<ErrorBody<'a>>>,
    #[serde(alias = "Type", borrow, default)]
    r#type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    /// Text or number.
    #[serde(alias = "Code", borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(alias = "Message", borrow, default)]
    message: Option<Cow<'a, str>>,
}

impl Fault {
    /// Object not found, or made inactive.
    pub(super) const NOT_FOUND: &str = "610";
    /// Too many requests.
    pub(super) const THROTTLED: &str = "3001";
    /// The token has no right to the company.
    pub(super) const FORBIDDEN: &str = "3100";
    /// The token is not accepted.
    pub(super) const UNAUTHORIZED: &str = "3200";

    /// Reads what can be read of a body: JSON with either capitals, XML, or plain text.
    pub(super) fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => Self::from_json(text).unwrap_or_default(),
            Some(b'<') => Self::from_xml(text),
            _ => Self { timed_out: text.eq_ignore_ascii_case(STREAM_TIMEOUT), ..Self::default() },
        }
    }

    fn from_json(text: &str) -> Option<Self> {
        let fault = serde_json::from_str::<Answer<'_>>(text).ok()?.fault?;
        let first = fault.error.as_deref().and_then(<[_]>::first);
        let code = first.and_then(|error| error.code).map(|code| code.get().trim_matches('"'));
        let message = first.and_then(|error| error.message.as_deref()).unwrap_or_default();
        Some(Self::new(code.or_else(|| code_in(message)), fault.r#type.as_deref()))
    }

    /// Reads the two attributes that matter and looks for no more structure: gateways' HTML comes here as well.
    fn from_xml(text: &str) -> Self {
        let code = attribute(text, "<Error ", "code").or_else(|| code_in(text));
        Self::new(code, attribute(text, "<Fault ", "type"))
    }

    fn new(code: Option<&str>, kind: Option<&str>) -> Self {
        let code = code.and_then(word).map(|code| match code.trim_start_matches('0') {
            "" => "0",
            digits => digits,
        });
        let kind = kind.and_then(word);
        Self { code: code.map(str::to_owned), kind: kind.map(str::to_owned), timed_out: false }
    }
}

/// The number within `message=…; errorCode=003001; statusCode=429`.
fn code_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("errorCode=")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()
}

/// The value of an attribute of the first element that begins with `element`.
fn attribute<'a>(text: &'a str, element: &str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(element)?;
    let (tag, _) = rest.split_once('>')?;
    let (_, rest) = tag.split_once(name)?;
    let (value, _) = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(value)
}

/// A word that is safe to log.
fn word(text: &str) -> Option<&str> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (!text.is_empty() && text.len() <= WORD_MAX && text.bytes().all(safe)).then_some(text)
}

#[cfg(test)]
mod tests;
