//! API keys: `lb_<env>_<id>_<secret><checksum>`, kept only as a hash.

use std::{fmt, str::FromStr};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{
    entropy::{self, Entropy},
    id::{ApiKeyId, TenantId, UserId},
    secret::ApiKeyText,
    store::StoreError,
};

/// Digits, upper and lower case letters: no character that a shell, an address or a double click treats specially.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 12 characters name a key: 71 bits, so that two keys never share a name.
const ID_LENGTH: usize = 12;
/// 43 characters of 62: 256 bits, so that a fast hash is enough to keep the key.
const SECRET_LENGTH: usize = 43;
/// CRC-32 in base 62 takes six characters.
const CHECKSUM_LENGTH: usize = 6;

/// The form of a deployment's name, as a person reads it.
pub const ENVIRONMENT_FORM: &str = "1 to 16 characters of a-z 0-9";

/// Whether `name` may name a deployment: it is a part of each API key and of the place of each sealed token.
#[must_use]
pub fn is_environment(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=16).contains(&name.len()) && name.bytes().all(allowed)
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Read the audit log.
    AuditRead,
    /// Read connections and their state.
    ConnectionsRead,
    /// Connect and disconnect.
    ConnectionsWrite,
    /// Make, list and revoke keys.
    KeysWrite,
    /// Read how the bundle itself fares, for all tenants.
    OperationsRead,
    /// Call providers' APIs with the tokens of connections.
    ProxyUse,
    /// Read jobs and records.
    SyncRead,
    /// Start jobs.
    SyncWrite,
    /// Read tenants.
    TenantsRead,
    /// Make and change tenants.
    TenantsWrite,
    /// Take an access token out.
    TokensIssue,
    /// Read token status and history.
    TokensRead,
    /// Force a refresh.
    TokensWrite,
    /// Read what a tenant used.
    UsageRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 14] = [
        Self::AuditRead,
        Self::ConnectionsRead,
        Self::ConnectionsWrite,
        Self::KeysWrite,
        Self::OperationsRead,
        Self::ProxyUse,
        Self::SyncRead,
        Self::SyncWrite,
        Self::TenantsRead,
        Self::TenantsWrite,
        Self::TokensIssue,
        Self::TokensRead,
        Self::TokensWrite,
        Self::UsageRead,
    ];

    /// The name in requests, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuditRead => "audit:read",
            Self::ConnectionsRead => "connections:read",
            Self::ConnectionsWrite => "connections:write",
            Self::KeysWrite => "keys:write",
            Self::OperationsRead => "operations:read",
            Self::ProxyUse => "proxy:use",
            Self::SyncRead => "sync:read",
            Self::SyncWrite => "sync:write",
            Self::TenantsRead => "tenants:read",
            Self::TenantsWrite => "tenants:write",
            Self::TokensIssue => "tokens:issue",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::UsageRead => "usage:read",
        }
    }
}

/// A name that is no scope's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("there is no such scope")]
pub struct UnknownScope;

impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.map(Self::as_str);
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        text.description(Some("What an API key may do.")).into()
    }
}

impl ToSchema for Scope {}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// A named set of scopes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Admin,
    /// Daily work: connect, refresh, sync; no tenants, no keys, no tokens in the clear.
    Operator,
    /// Reading what tenants have.
    Viewer,
}

impl Role {
    /// The name in requests, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// What the role may do.
    #[must_use]
    pub fn scopes(self) -> Vec<Scope> {
        let within = |scope: &Scope| match self {
            Self::Admin => true,
            Self::Operator => !matches!(scope, Scope::KeysWrite | Scope::TenantsWrite | Scope::TokensIssue),
            Self::Viewer => {
                let is_of_administrators = matches!(scope, Scope::AuditRead | Scope::OperationsRead);
                scope.as_str().ends_with(":read") && !is_of_administrators
            }
        };
        Scope::ALL.into_iter().filter(within).collect()
    }
}

impl FromStr for Role {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let all = [Self::Admin, Self::Operator, Self::Viewer];
        all.into_iter().find(|role| role.as_str() == text).ok_or(UnknownScope)
    }
}

/// An API key as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiKey {
    /// Its public part.
    pub id: ApiKeyId,
    /// What it is for, in its maker's words.
    pub name: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The one tenant it is for; none for all.
    pub tenant: Option<TenantId>,
    /// The person of that tenant whom it is for: it ends with that person's role.
    pub user: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, as far as it was noted: an hour late at most.
    pub last_used_at: Option<Timestamp>,
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What it is for, in its maker's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The one tenant it is for; none for all.
    pub tenant: Option<TenantId>,
    /// The person of that tenant whom it is for.
    pub user: Option<UserId>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl NewApiKey {
    /// Makes the key for the deployment called `environment`; its text is shown this once.
    #[must_use]
    pub fn issue(self, environment: &str, now: Timestamp, entropy: &dyn Entropy) -> (ApiKey, ApiKeyText) {
        let id = base62(entropy, ID_LENGTH);
        let body = format!("lb_{environment}_{id}_{}", base62(entropy, SECRET_LENGTH));
        let text = ApiKeyText::new(format!("{body}{}", checksum(&body)));
        let key = ApiKey {
            hash: hash(&text),
            // The id is made of the alphabet that an id allows.
            id: id.parse().unwrap_or_else(|_| unreachable!("base 62 is within the alphabet of ids")),
            name: self.name,
            scopes: self.scopes,
            tenant: self.tenant,
            user: self.user,
            created_at: now,
            expires_at: self.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        (key, text)
    }
}

/// A key as a caller presented it: well-formed and free of typos, but not yet known to be one of ours.
pub struct PresentedKey {
    /// Its public part.
    pub id: ApiKeyId,
    text: ApiKeyText,
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PresentedKey {
    /// Reads a key of the deployment called `environment`; a typo is told by the checksum, without any look-up.
    #[must_use]
    pub fn parse(text: &str, environment: &str) -> Option<Self> {
        let (body, sum) = text.split_at_checked(text.len().checked_sub(CHECKSUM_LENGTH)?)?;
        let rest = body.strip_prefix("lb_")?.strip_prefix(environment)?.strip_prefix('_')?;
        let (id, secret) = rest.split_once('_')?;
        let well_formed = id.len() == ID_LENGTH
            && secret.len() == SECRET_LENGTH
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && sum == checksum(body);
        let id = id.parse().ok().filter(|_| well_formed)?;
        Some(Self { id, text: ApiKeyText::new(text) })
    }

    /// Whether this is `key`, compared in constant time, and `key` works at `now`.
    #[must_use]
    pub fn opens(&self, key: &ApiKey, now: Timestamp) -> bool {
        let matches = bool::from(hash(&self.text).ct_eq(&key.hash));
        matches && key.revoked_at.is_none() && key.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Where API keys are kept.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Adds a key; false when the id is taken.
    async fn insert(&self, key: &ApiKey) -> Result<bool, StoreError>;

    /// Finds a key by its public part.
    async fn find(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError>;
}

fn hash(text: &ApiKeyText) -> [u8; 32] {
    Sha256::digest(text.expose().as_bytes()).into()
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[rest % ALPHABET.len()];
        rest /= ALPHABET.len();
    }
    digits.iter().copied().map(char::from).collect()
}

/// Random characters without bias: bytes beyond the greatest multiple of 62 are drawn again.
fn base62(entropy: &dyn Entropy, length: usize) -> String {
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let [byte] = entropy::bytes::<1>(entropy);
        if byte < FAIR {
            text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn issue() -> (ApiKey, ApiKeyText) {
        let new = NewApiKey {
            name: "test".to_owned(),
            scopes: Role::Admin.scopes(),
            tenant: None,
            user: None,
            expires_at: None,
        };
        new.issue("test", NOW, &SystemEntropy)
    }

    #[test]
    fn an_issued_key_opens_its_record_and_no_other() {
        let (key, text) = issue();
        let (other, _) = issue();

        let presented = PresentedKey::parse(text.expose(), "test").unwrap();

        assert_eq!(presented.id, key.id);
        assert!(presented.opens(&key, NOW));
        assert!(!presented.opens(&other, NOW));
    }

    #[test]
    fn any_changed_character_is_refused_without_a_look_up() {
        let (_, text) = issue();
        for at in 0..text.expose().len() {
            let mut bytes = text.expose().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(PresentedKey::parse(std::str::from_utf8(&bytes).unwrap(), "test").is_none(), "at {at}");
        }
    }

    #[test]
    fn a_key_of_another_deployment_or_of_no_form_is_refused() {
        let (_, text) = issue();

        assert!(PresentedKey::parse(text.expose(), "prod").is_none());
        for junk in ["", "lb_", "lb_test_a_b", "ü", "äöüäöüäöü", &"lb_test_".repeat(2000)] {
            assert!(PresentedKey::parse(junk, "test").is_none(), "{junk}");
        }
    }

    #[test]
    fn an_expired_or_revoked_key_opens_nothing() {
        let (key, text) = issue();
        let presented = PresentedKey::parse(text.expose(), "test").unwrap();

        assert!(!presented.opens(&ApiKey { expires_at: Some(NOW), ..key.clone() }, NOW));
        assert!(!presented.opens(&ApiKey { revoked_at: Some(NOW), ..key }, NOW));
    }

    #[test]
    fn a_viewer_only_reads() {
        let names: Vec<_> = Role::Viewer.scopes().into_iter().map(Scope::as_str).collect();

        assert_eq!(names, ["connections:read", "sync:read", "tenants:read", "tokens:read", "usage:read"]);
    }
}
