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

impl Encoding {
    fn decode(self, presented: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => STANDARD.decode(presented).ok(),
            Self::Hex => hex::decode(presented).ok(),
        }
    }
}

/// Verifies the HMAC-SHA-256 over what was signed, against each live secret.
///
/// The presented value is decoded first and compared in constant time on bytes; the secret's UTF-8 bytes are the key,
/// although Xero's looks like base64.
pub fn verify(
    signed: &[u8],
    (presented, encoding): (&str, Encoding),
    secrets: &[WebhookSecret],
) -> Result<(), SignatureMismatch> {
    let presented = encoding.decode(presented).ok_or(SignatureMismatch)?;
    let matches = secrets.iter().filter(|secret| !secret.expose().is_empty()).any(|secret| {
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
            .is_ok_and(|mac| mac.chain_update(signed).verify_slice(&presented).is_ok())
    });
    matches.then_some(()).ok_or(SignatureMismatch)
}

/// A name and its value, decoded.
pub type Parameter = (Vec<u8>, Vec<u8>);

/// What Zoho signs: names and values, sorted by name, with nothing between them; then the body, unless it is a form whose
/// fields are among the parameters.
///
/// Nothing says where a name ends, so that who knows one signed request can move letters between names and values. Hence
/// nothing that matters is taken from parameters. A name that is there several times keeps the order of its values; an
/// empty value adds its name alone.
#[must_use]
pub fn zoho_text(mut parameters: Vec<Parameter>, body: &[u8]) -> Vec<u8> {
    parameters.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut text: Vec<u8> =
        parameters.into_iter().flat_map(|(name, value)| [name, value]).flatten().collect();
    text.extend_from_slice(body);
    text
}

/// The fields of a form (`application/x-www-form-urlencoded`) as bytes, whether or not they are text: `+` is a blank, `%`
/// and two digits are a byte, and any other `%` is itself.
#[must_use]
pub fn form_fields(body: &[u8]) -> Vec<Parameter> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    let field = |pair: &[u8]| {
        let middle = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (decoded(&pair[..middle]), decoded(pair.get(middle + 1..).unwrap_or_default()))
    };
    pairs.map(field).collect()
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escaped =
            (*first == b'%').then(|| after.get(..2)).flatten().and_then(|pair| hex::decode(pair).ok());
        match (escaped.as_deref(), first) {
            (Some([byte]), _) => {
                bytes.push(*byte);
                rest = &after[2..];
                continue;
            }
            (_, b'+') => bytes.push(b' '),
            (_, other) => bytes.push(*other),
        }
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests;
