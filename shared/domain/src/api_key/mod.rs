//! API keys: `lb_<env>_<id>_<secret><checksum>`, kept only as a hash.

mod scope;
mod store;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{
    entropy::{self, Entropy},
    id::{ApiKeyId, TenantId, UserId},
    secret::ApiKeyText,
};

pub use scope::{Role, Scope, UnknownScope};
pub use store::{ApiKeyPage, ApiKeyStore, KeyChange};

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
    /// When it stops working because another replaced it.
    pub retires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, as far as it was noted: an hour late at most.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// When it stops or stopped working, for whatever reason comes first.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        [self.expires_at, self.retires_at, self.revoked_at].into_iter().flatten().min()
    }

    /// Whether it does not work any more.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|ends_at| ends_at <= now)
    }

    /// A key that may do the same, for as long as this one could when it was made.
    #[must_use]
    pub fn successor(&self, now: Timestamp) -> NewApiKey {
        let life = |expires_at: Timestamp| expires_at.duration_since(self.created_at);
        let until = |life: SignedDuration| now.saturating_add(life).unwrap_or(Timestamp::MAX);
        NewApiKey {
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            expires_at: self.expires_at.map(life).map(until),
        }
    }
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
            retires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        (key, text)
    }
}

/// Why a well-formed key is refused; callers are never told which it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyRefusal {
    /// It has expired, or another replaced it.
    Expired,
    /// It was revoked.
    Revoked,
    /// Its tenant is being deleted.
    TenantDeleting,
    /// There is no key of this id.
    Unknown,
    /// The id is a key's, and the rest is not.
    Wrong,
}

impl KeyRefusal {
    /// The word in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::TenantDeleting => "tenant_deleting",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
        }
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
        self.refusal(key, now).is_none()
    }

    /// Why this does not open `key`, if it does not.
    #[must_use]
    pub fn refusal(&self, key: &ApiKey, now: Timestamp) -> Option<KeyRefusal> {
        let matches = bool::from(hash(&self.text).ct_eq(&key.hash));
        if !matches {
            return Some(KeyRefusal::Wrong);
        }
        let ended = if key.revoked_at.is_some() { KeyRefusal::Revoked } else { KeyRefusal::Expired };
        (key.revoked_at.is_some() || key.has_ended(now)).then_some(ended)
    }
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
    fn a_key_that_was_replaced_ends_then_and_its_successor_lives_as_long_as_it_could() {
        let day = SignedDuration::from_hours(24);
        let (key, text) = issue();
        let key = ApiKey { expires_at: Some(NOW + day * 30), retires_at: Some(NOW + day), ..key };
        let presented = PresentedKey::parse(text.expose(), "test").unwrap();

        assert!(presented.opens(&key, NOW));
        assert_eq!(presented.refusal(&key, NOW + day), Some(KeyRefusal::Expired));
        assert_eq!(key.successor(NOW + day).expires_at, Some(NOW + day * 31));
    }
}
