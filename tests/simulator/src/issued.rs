//! Every secret that the simulator ever handed out, so that a test can search logs for them.

use jiff::Timestamp;
use serde::Serialize;

use crate::{guarded::Guarded, kept::keep_newest, provider::Provider};

/// More secrets than any test run hands out; the oldest are dropped beyond it.
const MAX_KEPT: usize = 200_000;

/// The list of issued secrets.
#[derive(Debug, Default)]
pub(crate) struct Issued(Guarded<Vec<IssuedSecret>>);

/// One secret and when it was handed out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuedSecret {
    pub(crate) provider: Provider,
    pub(crate) kind: SecretKind,
    pub(crate) value: String,
    pub(crate) fingerprint: String,
    pub(crate) issued_at: Timestamp,
}

/// What a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SecretKind {
    AuthorizationCode,
    AccessToken,
    RefreshToken,
    IdToken,
}

impl Issued {
    /// Remembers a secret that is about to be sent.
    pub(crate) fn add(&self, provider: Provider, kind: SecretKind, value: &str, issued_at: Timestamp) {
        let secret = IssuedSecret {
            provider,
            kind,
            value: value.to_owned(),
            fingerprint: fingerprint(value),
            issued_at,
        };
        keep_newest(&mut self.0.lock(), secret, MAX_KEPT);
    }

    /// Returns the whole list, oldest first.
    pub(crate) fn list(&self) -> Vec<IssuedSecret> {
        self.0.lock().clone()
    }

    pub(crate) fn reset(&self) {
        self.0.lock().clear();
    }
}

/// Returns the first 16 hexadecimal digits of a secret's SHA-256: enough to compare, useless to spend.
pub(crate) fn fingerprint(secret: &str) -> String {
    use sha2::Digest as _;

    let mut text = hex::encode(sha2::Sha256::digest(secret.as_bytes()));
    text.truncate(16);
    text
}
