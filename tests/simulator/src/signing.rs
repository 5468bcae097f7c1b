//! Signatures of webhooks: right, wrong by one character, or missing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How a request is signed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Signing {
    #[default]
    Valid,
    /// One character differs.
    Wrong,
    /// No signature header at all.
    Missing,
}

impl Signing {
    /// Returns what a request carries whose right signature is known.
    pub(crate) fn apply(self, right: String) -> Option<String> {
        match self {
            Self::Valid => Some(right),
            Self::Wrong => Some(spoiled(&right)),
            Self::Missing => None,
        }
    }
}

/// Returns the HMAC-SHA256 of a body in base64.
pub(crate) fn signature(key: &str, body: &[u8]) -> String {
    STANDARD.encode(mac(key, body))
}

/// Returns the HMAC-SHA256 of a text in lower-case hexadecimal digits.
pub(crate) fn hex_signature(key: &str, text: &[u8]) -> String {
    hex::encode(mac(key, text))
}

fn mac(key: &str, body: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length, so there is no error to report.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return Vec::new();
    };
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

/// Changes one character of a signature, so that it stays well formed.
fn spoiled(signature: &str) -> String {
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    std::iter::once(other).chain(signature.chars().skip(1)).collect()
}

/// Replaces one character of a signature by a slash (or a slash by a plus), as Xero's handshake does.
pub(crate) fn with_slash_at(signature: &str, place: usize) -> String {
    let replaced = |(at, character)| match (at == place, character) {
        (true, '/') => '+',
        (true, _) => '/',
        (false, character) => character,
    };
    signature.chars().enumerate().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spoiled_signature_differs_in_one_character() {
        assert_eq!(spoiled("abc="), "Abc=");
        assert_eq!(spoiled("Abc="), "Bbc=");
    }
}
