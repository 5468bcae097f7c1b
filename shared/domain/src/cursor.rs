//! Cursors that prove themselves: what a list gave out as the place where it goes on comes back unchanged, and to no other
//! list.

use std::fmt;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    entropy::{self, Entropy},
    store::StoreError,
};

/// As long as what HMAC-SHA-256 puts out, which is what RFC 2104 (section 3) asks of a key.
const KEY_BYTES: usize = 32;
/// How many bytes of a cursor prove it.
const PROOF_BYTES: usize = 32;

/// What cursors of one deployment are proven with; wiped when dropped, never shown.
#[derive(Clone)]
pub struct CursorKey(Zeroizing<[u8; KEY_BYTES]>);

impl CursorKey {
    /// Makes a key that nobody has.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(entropy::bytes(entropy)))
    }

    /// Takes the key in from a slice of the right length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Shows the key, for the one place that stores it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The cursor as its holder gets it: `list` says which list it is of, with all that decides what is in it and in which
    /// order.
    #[must_use]
    pub fn seal(&self, list: &[String], cursor: &str) -> String {
        let proof =
            self.mac(list, cursor).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode([proof.as_slice(), cursor.as_bytes()].concat())
    }

    /// The cursor inside, if this is one that [`Self::seal`] made for the same list; compared in constant time.
    #[must_use]
    pub fn open(&self, list: &[String], sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (proof, cursor) = bytes.split_at_checked(PROOF_BYTES)?;
        let cursor = str::from_utf8(cursor).ok()?;
        self.mac(list, cursor)?.verify_slice(proof).ok()?;
        Some(cursor.to_owned())
    }

    /// Over an array of texts as JSON has it, in which no two lists read alike.
    fn mac(&self, list: &[String], cursor: &str) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.expose()).ok()?;
        Some(mac.chain_update(json!([list, cursor]).to_string()))
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey([redacted])")
    }
}

/// Where the key of a deployment's cursors is.
#[async_trait]
pub trait CursorKeyStore: Send + Sync {
    /// The deployment's key; the first who asks stores `fresh` as it, and all who ask then get the same.
    async fn find_or_insert(&self, fresh: &CursorKey) -> Result<CursorKey, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn list(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|&part| part.to_owned()).collect()
    }

    #[test]
    fn a_cursor_comes_back_to_its_own_list_and_to_no_other() {
        let key = CursorKey::new(&SystemEntropy);
        let own = list(&["records", "acme", "invoices"]);
        let sealed = key.seal(&own, "here");

        assert_eq!(key.open(&own, &sealed).as_deref(), Some("here"));
        for other in [&["records", "acme", "bills"][..], &["records", "acmeinvoices"], &["records"], &[]] {
            assert_eq!(key.open(&list(other), &sealed), None, "{other:?}");
        }
        assert_eq!(CursorKey::new(&SystemEntropy).open(&own, &sealed), None, "another deployment's");
    }

    #[test]
    fn a_cursor_with_any_bit_changed_or_cut_anywhere_is_none() {
        let key = CursorKey::new(&SystemEntropy);
        let own = list(&["records"]);
        let sealed = URL_SAFE_NO_PAD.decode(key.seal(&own, "12#3")).unwrap();

        for place in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[place / 8] ^= 1 << (place % 8);
            assert_eq!(key.open(&own, &URL_SAFE_NO_PAD.encode(changed)), None, "bit {place}");
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(&own, &URL_SAFE_NO_PAD.encode(&sealed[..length])), None, "{length} bytes");
        }
        assert_eq!(key.open(&own, "no base64!"), None);
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", CursorKey::new(&SystemEntropy)), "CursorKey([redacted])");
    }
}
