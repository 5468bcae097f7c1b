//! Configuration: read once, typed, with every problem listed at once and no value ever shown.

mod limits;
mod providers;
mod refreshing;
mod webhooks;

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use domain::api_key::{ENVIRONMENT_FORM, is_environment};
use thiserror::Error;
use url::Url;

pub use self::providers::{ProviderSettings, ScopeLists};

/// How a variable is looked up; tests pass a closure over a table, `main` passes [`environment`].
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// More shards would only mean more queries a minute; fewer than one would hide connections.
const MAX_DUE_SHARDS: u32 = 64;

/// Every problem of a configuration.
#[derive(Debug, Eq, Error, PartialEq)]
pub struct ConfigError {
    /// The variable and what is wrong with it.
    pub problems: BTreeMap<String, String>,
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s)", self.problems.len())?;
        self.problems.iter().try_for_each(|(name, problem)| write!(f, "; {name} {problem}"))
    }
}

/// Looks a variable up in the environment of the process; the one place that does.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads variables and collects what is wrong with them; an empty variable counts as unset.
pub struct Variables<'a> {
    lookup: Lookup<'a>,
    problems: BTreeMap<String, String>,
}

impl<'a> Variables<'a> {
    /// Reads through `lookup`.
    #[must_use]
    pub fn new(lookup: Lookup<'a>) -> Self {
        Self { lookup, problems: BTreeMap::new() }
    }

    /// A variable that may be missing.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A variable that must be there.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.refuse(name, "is not set");
            String::new()
        })
    }

    /// A variable of some form, or its default.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, form: &str) -> T {
        match self.optional(name).map(|value| value.parse()) {
            Some(Ok(value)) => value,
            None => default,
            Some(Err(_)) => {
                self.refuse(name, &format!("must be {form}"));
                default
            }
        }
    }

    /// A whole number within bounds, or its default.
    pub fn within<T>(&mut self, name: &str, default: T, bounds: RangeInclusive<T>) -> T
    where
        T: Copy + Display + FromStr + PartialOrd,
    {
        let form = format!("a whole number, {} to {}", bounds.start(), bounds.end());
        let value = self.parsed(name, default, &form);
        if !bounds.contains(&value) {
            self.refuse(name, &format!("must be {form}"));
            return default;
        }
        value
    }

    /// A number of whole seconds, at least one.
    pub fn seconds(&mut self, name: &str, default: Duration) -> Duration {
        let seconds = self.parsed(name, default.as_secs(), "a whole number of seconds");
        if seconds == 0 || seconds > u64::from(u32::MAX) {
            self.refuse(name, "must be at least 1 second");
            return default;
        }
        Duration::from_secs(seconds)
    }

    /// An address with a scheme of `http` or `https` and a host, or its default.
    pub fn url(&mut self, name: &str, default: Option<&str>) -> Option<Url> {
        let value = self.optional(name).or_else(|| default.map(str::to_owned))?;
        match Url::parse(&value) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            _ => {
                self.refuse(name, "must be an http or https address");
                None
            }
        }
    }

    /// Values between commas.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let value = self.optional(name).unwrap_or_default();
        value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Addresses between commas.
    pub fn urls(&mut self, name: &str) -> Vec<String> {
        let urls = self.list(name);
        if urls
            .iter()
            .any(|url| Url::parse(url).map_or(true, |url| !matches!(url.scheme(), "http" | "https")))
        {
            self.refuse(name, "must hold http or https addresses with commas between them");
        }
        urls
    }

    /// Where providers and browsers reach the bundle (`PUBLIC_URL`), without a slash at its end.
    pub fn public_url(&mut self) -> Option<String> {
        self.url("PUBLIC_URL", None).map(|url| url.as_str().trim_end_matches('/').to_owned())
    }

    /// The name of the deployment (`ENVIRONMENT`): part of API keys and of the place of every sealed token.
    pub fn environment_name(&mut self) -> String {
        let name = self.required("ENVIRONMENT");
        // One that is not set is refused already, and the first refusal stands.
        if !is_environment(&name) {
            self.refuse("ENVIRONMENT", &format!("must be {ENVIRONMENT_FORM}"));
        }
        name
    }

    /// How many shards the due index has (`DUE_SHARDS`, default 4).
    pub fn due_shards(&mut self) -> u32 {
        self.within("DUE_SHARDS", 4, 1..=MAX_DUE_SHARDS)
    }

    /// Whether several tenants may be connected to one company (`ALLOW_SHARED_COMPANIES`, default false).
    pub fn shared_companies(&mut self) -> bool {
        self.parsed("ALLOW_SHARED_COMPANIES", false, "true or false")
    }

    /// Notes a problem; of several with one variable the first is kept.
    pub fn refuse(&mut self, name: &str, problem: &str) {
        self.problems.entry(name.to_owned()).or_insert_with(|| problem.to_owned());
    }

    /// `value` when nothing is wrong, or everything that is.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }
}

/// Puts the JSON object of a Secrets Manager secret under the environment: a variable of the environment wins.
///
/// Members that are not text are ignored, since no variable is read from them.
pub fn with_secret<L>(
    secret: &str,
    lookup: L,
) -> Result<impl Fn(&str) -> Option<String> + use<L>, ConfigError>
where
    L: Fn(&str) -> Option<String>,
{
    let values: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(secret).map_err(|_| ConfigError {
            problems: BTreeMap::from([(
                "PROVIDER_SECRETS_ID".to_owned(),
                "names a secret that is no JSON object".to_owned(),
            )]),
        })?;
    Ok(move |name: &str| {
        lookup(name)
            .filter(|value| !value.trim().is_empty())
            .or_else(|| values.get(name).and_then(serde_json::Value::as_str).map(str::to_owned))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(table: &[(&str, &str)], read: impl FnOnce(&mut Variables<'_>) -> T) -> Result<T, ConfigError> {
        let lookup =
            |name: &str| table.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let mut variables = Variables::new(&lookup);
        let value = read(&mut variables);
        variables.finish(Some(value))
    }

    #[test]
    fn every_problem_is_listed_at_once_by_name_and_without_values() {
        let table = [
            ("ENVIRONMENT", "Not/An/Environment"),
            ("REFRESH_LEASE_SECONDS", "soon"),
            ("QUICKBOOKS_TOKEN_URL", "hunter2"),
            ("QUICKBOOKS_CLIENT_SECRET", "hunter2"),
        ];

        let error = read(&table, |variables| {
            variables.environment_name();
            let policy = variables.refresh_policy();
            variables.providers(policy.post_timeout);
        })
        .unwrap_err();

        insta::assert_snapshot!(error.to_string().replace("; ", "\n"), @r"
        the configuration has 4 problem(s)
        ENVIRONMENT must be 1 to 16 characters of a-z 0-9
        QUICKBOOKS_CLIENT_ID is not set
        QUICKBOOKS_TOKEN_URL must be an http or https address
        REFRESH_LEASE_SECONDS must be a whole number of seconds
        ");
    }

    #[test]
    fn the_environment_wins_over_the_secret_unless_it_is_empty() {
        let environment = |name: &str| match name {
            "A" => Some("environment".to_owned()),
            "B" => Some(String::new()),
            _ => None,
        };

        let lookup = with_secret(r#"{"A":"secret","B":"secret","C":"secret","D":1}"#, environment).unwrap();

        let read: Vec<_> = ["A", "B", "C", "D", "E"].map(|name| lookup(name).unwrap_or_default()).to_vec();
        assert_eq!(read, ["environment", "secret", "secret", "", ""]);
    }
}
