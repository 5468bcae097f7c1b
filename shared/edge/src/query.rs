//! Query strings, in which every name may stand once.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::http::ApiError;

/// The parameters of a query.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a raw query; a repeated name is refused, since two readers could take two different values (parameter
    /// pollution, OWASP ASVS 5.0 15.3.7).
    pub fn parse(raw: &str) -> Result<Self, ApiError> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(ApiError::invalid("query", "a query parameter stands twice; send each once"));
            }
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a parameter in its own form.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: std::fmt::Display,
    {
        let parsed = self.get(name).map(str::parse).transpose();
        parsed.map_err(|error: T::Err| ApiError::invalid(name, error.to_string()))
    }

    /// A whole number within a range, or its default; outside of it the answer names the range.
    pub fn limit(&self, name: &str, default: u32, max: u32) -> Result<u32, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_number && (1..=max).contains(number));
        number.ok_or_else(|| {
            ApiError::invalid(name, format!("{name} must be 1 to {max}")).with("min", 1).with("max", max)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused() {
        assert!(Query::parse("code=a&state=b&code=c").is_err());
        assert_eq!(Query::parse("code=a%20b&state=").unwrap().get("code"), Some("a b"));
    }

    #[test]
    fn a_limit_outside_its_range_is_refused_with_the_range() {
        for bad in ["0", "-1", "101", "1e9", "abc", "10;%20drop", "", "%2B5"] {
            let error = Query::parse(&format!("limit={bad}")).unwrap().limit("limit", 20, 100).unwrap_err();
            assert_eq!(error.details["max"], 100, "{bad}");
        }
        assert_eq!(Query::parse("limit=100").unwrap().limit("limit", 20, 100).unwrap(), 100);
        assert_eq!(Query::parse("").unwrap().limit("limit", 20, 100).unwrap(), 20);
    }
}
