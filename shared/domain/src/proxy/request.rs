//! What is asked of a provider through us, and what it answers.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use url::form_urlencoded;

use super::{ProxyPath, Target};
use crate::{
    entropy::{self, Entropy},
    id::ProviderCompanyId,
    provider::Provider,
};

/// The longest key of a caller, which is as long as Xero takes one.
const MAX_KEY: usize = 128;
/// How the query names Zoho's organization.
pub(crate) const ZOHO_ORGANIZATION: &str = "organization_id";
/// How the query names Intuit's key.
const INTUIT_KEY: &str = "requestid";
/// Names under which one of the providers, or a server before it, takes a token from a query.
const TOKENS: [&str; 5] = ["access_token", "oauth_token", "authtoken", "auth_token", "authorization"];

/// What is to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Read.
    Get,
    /// Create, or ask something long.
    Post,
    /// Create or replace.
    Put,
    /// Change.
    Patch,
    /// Delete.
    Delete,
}

/// A method that is not passed on.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the method is not one of GET, POST, PUT, PATCH, DELETE")]
pub struct UnknownMethod;

impl Method {
    /// The name in HTTP.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let all = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];
        all.into_iter().find(|method| method.as_str() == text).ok_or(UnknownMethod)
    }
}

/// What a caller, or we, name a write by, so that its repetition has no second effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestKey(String);

/// A text that is no key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("Idempotency-Key must be 1 to {MAX_KEY} visible characters of ASCII")]
pub struct InvalidRequestKey;

impl RequestKey {
    /// A key that nobody used.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(entropy::one_time_value(entropy))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as the provider is to know it, 43 characters where Intuit takes fifty: Xero has one room of keys for the
    /// whole app and Intuit one for a company, and of two callers who choose the same key neither may get the other's answer.
    fn at_provider(&self, target: &Target) -> Self {
        let whose = json!([target.key.tenant, target.company, self.0]);
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(whose.to_string())))
    }
}

impl FromStr for RequestKey {
    type Err = InvalidRequestKey;

    fn from_str(text: &str) -> Result<Self, InvalidRequestKey> {
        let is_key = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key.then(|| Self(text.to_owned())).ok_or(InvalidRequestKey)
    }
}

/// One request to a provider's API.
#[derive(Clone, PartialEq)]
pub struct ProxyRequest {
    /// What is to be done.
    pub method: Method,
    /// With what.
    pub path: ProxyPath,
    /// The query, without what is ours.
    pub query: Vec<(String, String)>,
    /// `Accept`.
    pub accept: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<String>,
    /// `Idempotency-Key`.
    pub key: Option<RequestKey>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl fmt::Debug for ProxyRequest {
    /// Without what is in the books.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A provider's answer, whatever its status.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct ProxyAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Those of its headers that are passed on: the type of the body, and what it says of its limits.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl fmt::Debug for ProxyAnswer {
    /// Without what is in the books.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A request that is not passed on, and what of it is wrong.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{message}")]
pub struct Refused {
    /// The parameter or header.
    pub field: &'static str,
    /// What is wrong with it, for the caller.
    pub message: &'static str,
}

impl ProxyRequest {
    /// Whether it only reads.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.method == Method::Get
    }

    /// The request as it may be sent about one company: one that names another company, or a token, is refused. A write
    /// has a key that nobody else has where the provider takes keys: made of the caller's, or a new one.
    pub fn about(mut self, target: &Target, entropy: &dyn Entropy) -> Result<Self, Refused> {
        if self.names(|name| TOKENS.contains(&name)).next().is_some() {
            return Err(Refused {
                field: "query",
                message: "a token is not taken; the connection's is used",
            });
        }
        match target.provider {
            Provider::QuickBooks => self.check_intuit()?,
            Provider::Xero => {}
            Provider::Zoho => self.check_zoho(&target.company)?,
        }
        if self.takes_key(target.provider) {
            let key = self.key.map_or_else(|| RequestKey::new(entropy), |key| key.at_provider(target));
            self.key = Some(key);
        }
        Ok(self)
    }

    /// Whether the same request may be sent again when nobody knows whether it arrived.
    #[must_use]
    pub fn is_repeatable(&self, provider: Provider) -> bool {
        self.is_read() || self.takes_key(provider) && self.key.is_some()
    }

    /// Whether the provider has a write of this kind only once for each key. Zoho knows no keys, and Xero none of
    /// deletions.
    #[must_use]
    pub fn takes_key(&self, provider: Provider) -> bool {
        match (provider, self.method) {
            (_, Method::Get) | (Provider::Zoho, _) | (Provider::Xero, Method::Delete) => false,
            (Provider::QuickBooks | Provider::Xero, _) => true,
        }
    }

    fn check_intuit(&self) -> Result<(), Refused> {
        match self.names(|name| name == INTUIT_KEY).next() {
            None => Ok(()),
            Some(_) => Err(Refused { field: INTUIT_KEY, message: "send it as the header Idempotency-Key" }),
        }
    }

    /// Zoho names the organization in the query, and has a place for organizations in the path.
    fn check_zoho(&mut self, company: &ProviderCompanyId) -> Result<(), Refused> {
        let foreign =
            Refused { field: ZOHO_ORGANIZATION, message: "another organization is named than the company's" };
        let named = self.names(|name| name == ZOHO_ORGANIZATION).any(|value| value != company.as_str());
        if named || self.has_part(ZOHO_ORGANIZATION) {
            return Err(foreign);
        }
        let mut segments = self.path.segments();
        // Some servers overlook what stands around a name.
        let is_of_organizations = segments
            .next()
            .is_some_and(|first| first.trim_matches([' ', '.']).eq_ignore_ascii_case("organizations"));
        if is_of_organizations && segments.next() != Some(company.as_str()) {
            return Err(foreign);
        }
        if self.key.is_some() && !self.is_read() {
            let message = "Zoho Books has no idempotent writes; leave the header out, and look for a unique \
                           reference_number before a write is repeated";
            return Err(Refused { field: "Idempotency-Key", message });
        }
        self.query.retain(|(name, _)| !name.eq_ignore_ascii_case(ZOHO_ORGANIZATION));
        Ok(())
    }

    /// The type of the body, without its parameters and in lower case.
    fn kind(&self) -> String {
        let kind = self.content_type.as_deref().unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether a form that has files among its parts, as Zoho takes them, has a part with this lower-case name, however
    /// that is spelled.
    fn has_part(&self, name: &str) -> bool {
        if !self.kind().starts_with("multipart/") {
            return false;
        }
        let said = self.body.iter().filter(|byte| !b" \t\"".contains(byte));
        let said: Vec<_> = said.map(u8::to_ascii_lowercase).collect();
        let wanted = format!("name={name}");
        said.windows(wanted.len()).any(|part| part == wanted.as_bytes())
    }

    /// The values of those parameters, of the query and of a form, whose lower-case names are wanted.
    fn names(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
        let is_form = self.kind() == "application/x-www-form-urlencoded";
        let form = if is_form { form_urlencoded::parse(&self.body) } else { form_urlencoded::parse(b"") };
        let form = form.map(|(name, value)| (name.into_owned(), value.into_owned()));
        let all = self.query.iter().cloned().chain(form);
        all.filter(move |(name, _)| wanted(name.trim().to_ascii_lowercase().as_str())).map(|(_, value)| value)
    }
}

/// The parameters of a raw query, in their order.
#[must_use]
pub fn parameters(raw: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(raw.as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connection::ConnectionKey, entropy::SystemEntropy};

    fn request(method: Method, path: &str, query: &str) -> ProxyRequest {
        ProxyRequest {
            method,
            path: ProxyPath::parse(path).unwrap(),
            query: parameters(query),
            accept: None,
            content_type: None,
            if_modified_since: None,
            key: None,
            body: vec![],
        }
    }

    fn target(provider: Provider, tenant: &str, company: &str) -> Target {
        let key = ConnectionKey { tenant: tenant.parse().unwrap(), connection: "conn_1".parse().unwrap() };
        Target { key, provider, company: company.parse().unwrap() }
    }

    fn about(provider: Provider, request: ProxyRequest) -> Result<ProxyRequest, &'static str> {
        request.about(&target(provider, "acme", "42"), &SystemEntropy).map_err(|refused| refused.field)
    }

    #[test]
    fn no_request_names_another_company() {
        let zoho = |path, query| about(Provider::Zoho, request(Method::Get, path, query));

        assert_eq!(zoho("invoices", "organization_id=43"), Err("organization_id"));
        assert_eq!(zoho("invoices", "Organization_ID=43"), Err("organization_id"));
        assert_eq!(zoho("invoices", "organization_id=42&organization_id=43"), Err("organization_id"));
        assert_eq!(zoho("organizations", ""), Err("organization_id"));
        assert_eq!(zoho("Organizations/43", ""), Err("organization_id"));
        assert!(zoho("organizations/42", "").is_ok());
        assert_eq!(zoho("invoices", "organization_id=42&page=2").unwrap().query, parameters("page=2"));
        let form = ProxyRequest {
            content_type: Some("application/x-www-form-urlencoded; charset=utf-8".to_owned()),
            body: b"JSONString=%7B%7D&organization%5Fid=43".to_vec(),
            ..request(Method::Post, "invoices", "")
        };
        assert_eq!(about(Provider::Zoho, form), Err("organization_id"));
        assert_eq!(zoho("organizations /43", ""), Err("organization_id"));
        for part in [
            "Content-Disposition: form-data; name=\"organization_id\"\r\n\r\n43",
            "content-disposition: form-data;\r\n\tNAME = Organization_ID\r\n\r\n43",
        ] {
            let parts = ProxyRequest {
                content_type: Some("Multipart/Form-Data; boundary=b".to_owned()),
                body: format!("--b\r\n{part}\r\n--b--\r\n").into_bytes(),
                ..request(Method::Post, "invoices", "")
            };
            assert_eq!(about(Provider::Zoho, parts), Err("organization_id"), "{part}");
        }
    }

    #[test]
    fn no_request_brings_a_token_of_its_own() {
        for provider in Provider::ALL {
            for name in TOKENS.iter().copied().chain(["Access_Token", "%20access_token"]) {
                let bad = request(Method::Get, "invoices", &format!("{name}=x"));
                assert_eq!(about(provider, bad), Err("query"), "{provider} {name}");
            }
        }
    }

    #[test]
    fn a_write_has_a_key_wherever_a_provider_takes_one() {
        let keyed = |provider, method| about(provider, request(method, "x", "")).unwrap().key.is_some();

        assert!(keyed(Provider::QuickBooks, Method::Post));
        assert!(keyed(Provider::Xero, Method::Put));
        for (provider, method) in [
            (Provider::QuickBooks, Method::Get),
            (Provider::Xero, Method::Delete),
            (Provider::Zoho, Method::Post),
        ] {
            assert!(!keyed(provider, method), "{provider} {method:?}");
        }
        assert_eq!(about(Provider::QuickBooks, request(Method::Post, "x", "RequestId=1")), Err("requestid"));
        let promised = ProxyRequest { key: "k".parse().ok(), ..request(Method::Post, "x", "") };
        assert_eq!(about(Provider::Zoho, promised), Err("Idempotency-Key"));
    }

    #[test]
    fn nobody_meets_anothers_key_at_a_provider() {
        let keyed = |tenant, company, key: &str| {
            let request = ProxyRequest { key: key.parse().ok(), ..request(Method::Post, "x", "") };
            let asked = request.about(&target(Provider::Xero, tenant, company), &SystemEntropy).unwrap();
            asked.key.unwrap().as_str().to_owned()
        };
        let (longest, mine) = ("k".repeat(MAX_KEY), keyed("acme", "42", "1"));

        assert_eq!(mine, keyed("acme", "42", "1"), "a repetition has the same");
        for (tenant, company, key) in [("other", "42", "1"), ("acme", "43", "1"), ("acme", "42", &longest)] {
            let other = keyed(tenant, company, key);
            assert_ne!(mine, other, "{tenant} {company} {key}");
            assert_eq!(other.len(), 43);
        }
        for bad in ["", "a b", "a\u{e4}", "a\n", &"k".repeat(129)] {
            assert_eq!(bad.parse::<RequestKey>(), Err(InvalidRequestKey), "{bad:?}");
        }
    }
}
