//! Signatures of webhooks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::secret::WebhookSecret;

/// A signature was refused; which part was wrong helps only somebody who forges.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the signature does not match the body")]
pub struct SignatureMismatch;

/// How a signature is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// Base64 of the standard alphabet, with padding.
    Base64,
    /// Hexadecimal, in letters of either case.
    Hex,
}

/// Verifies the base64 HMAC-SHA-256 over the raw body that Intuit and Xero send, against each live secret.
///
/// The presented value is decoded first and compared in constant time on bytes; the secret's UTF-8 bytes are the key,
/// although Xero's looks like base64.
pub fn verify_base64(
    body: &[u8],
    presented: &str,
    secrets: &[WebhookSecret],
) -> Result<(), SignatureMismatch> {
    let presented = STANDARD.decode(presented).map_err(|_| SignatureMismatch)?;
    let matches = secrets.iter().filter(|secret| !secret.expose().is_empty()).any(|secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .is_ok_and(|mac| mac.chain_update(body).verify_slice(&presented).is_ok())
    });
    matches.then_some(()).ok_or(SignatureMismatch)
}

#[cfg(test)]
mod tests;
