//! The envelope: format, sealing and opening of one value.

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{DataKey, SealingContext};
use crate::entropy::{self, Entropy};

/// The format's version, its first byte.
pub(super) const VERSION: u8 = 1;
/// AES-256-GCM under a key derived with HKDF-SHA-256, with a commitment to that key.
const SUITE: u8 = 1;
/// The data key was wrapped by KMS.
const KEY_SOURCE_KMS: u8 = 1;

const HEADER: [u8; 3] = [VERSION, SUITE, KEY_SOURCE_KMS];
const SALT: usize = 32;
const COMMITMENT: usize = 32;
const NONCE: usize = 12;
const TAG: usize = 16;
/// The greatest wrapped key taken; KMS makes 184 bytes for a 256-bit key, and documents 6,144 as the greatest ciphertext.
const MAX_WRAPPED_KEY: usize = 6144;
/// The greatest value sealed; Intuit asks to reserve 4 KiB for a token.
const MAX_PLAINTEXT: usize = 16 * 1024;

const LABEL_KEY: &[u8] = b"ledgerbridge sealing v1 aes-256-gcm key";
pub(super) const LABEL_COMMITMENT: &[u8] = b"ledgerbridge sealing v1 key commitment";

/// A sealed value was refused.
///
/// One error without a reason: what exactly was wrong would help only somebody who forges ciphertexts.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the sealed value does not open in this place")]
pub struct OpenError;

/// A value cannot be sealed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SealError {
    /// The value is longer than the format allows.
    #[error("the value to seal is too long")]
    TooLong,
    /// The wrapped key is empty, or longer than the format allows.
    #[error("the wrapped key is not of a length that the format allows")]
    WrappedKeyLength,
}

/// The parts of an envelope, borrowed from its bytes.
struct Envelope<'a> {
    wrapped_key: &'a [u8],
    salt: &'a [u8],
    commitment: &'a [u8],
    nonce: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, OpenError> {
        let (header, rest) = bytes.split_first_chunk::<3>().ok_or(OpenError)?;
        if *header != HEADER {
            return Err(OpenError);
        }
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(OpenError)?;
        let length = wrapped_key_length(u16::from_be_bytes(*length).into()).ok_or(OpenError)?;
        let (wrapped_key, rest) = rest.split_at_checked(length.into()).ok_or(OpenError)?;
        let (salt, rest) = rest.split_at_checked(SALT).ok_or(OpenError)?;
        let (commitment, rest) = rest.split_at_checked(COMMITMENT).ok_or(OpenError)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE).ok_or(OpenError)?;
        if ciphertext.len() < TAG || ciphertext.len() > MAX_PLAINTEXT + TAG {
            return Err(OpenError);
        }
        Ok(Self { wrapped_key, salt, commitment, nonce, ciphertext })
    }
}

/// The wrapped data key inside `envelope`, to be handed to KMS; refuses an unknown version, suite or key source first.
pub fn wrapped_key(envelope: &[u8]) -> Result<&[u8], OpenError> {
    Envelope::parse(envelope).map(|envelope| envelope.wrapped_key)
}

/// Seals `plaintext` for its place and generation under `data_key`, which KMS wrapped as `wrapped_key`.
///
/// A fresh salt gives each seal its own AES key, so one data key may seal any number of values.
pub fn seal(
    data_key: &DataKey,
    wrapped_key: &[u8],
    (context, generation): (&SealingContext<'_>, u64),
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SealError> {
    let length = wrapped_key_length(wrapped_key.len()).ok_or(SealError::WrappedKeyLength)?;
    if plaintext.len() > MAX_PLAINTEXT {
        return Err(SealError::TooLong);
    }
    let salt: [u8; SALT] = entropy::bytes(entropy);
    let nonce: [u8; NONCE] = entropy::bytes(entropy);
    let (cipher, commitment) = derive(data_key, &salt);
    let aad = context.associated_data(HEADER, generation);
    let payload = Payload { msg: plaintext, aad: &aad };
    let ciphertext = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;

    let mut envelope =
        Vec::with_capacity(5 + wrapped_key.len() + SALT + COMMITMENT + NONCE + ciphertext.len());
    envelope.extend_from_slice(&HEADER);
    envelope.extend_from_slice(&length.to_be_bytes());
    envelope.extend_from_slice(wrapped_key);
    envelope.extend_from_slice(&salt);
    envelope.extend_from_slice(&commitment);
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&ciphertext);
    Ok(envelope)
}

/// Opens an envelope in its place and generation.
pub fn open(
    data_key: &DataKey,
    (context, generation): (&SealingContext<'_>, u64),
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let envelope = Envelope::parse(envelope)?;
    let (cipher, commitment) = derive(data_key, envelope.salt);
    if !bool::from(commitment.ct_eq(envelope.commitment)) {
        return Err(OpenError);
    }
    let nonce: [u8; NONCE] = envelope.nonce.try_into().map_err(|_| OpenError)?;
    let aad = context.associated_data(HEADER, generation);
    let payload = Payload { msg: envelope.ciphertext, aad: &aad };
    cipher.decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| OpenError)
}

/// Whether `envelope` was sealed under `data_key`, told from its commitment alone; what is no envelope was not.
pub(super) fn commits_to(envelope: &[u8], data_key: &DataKey) -> bool {
    Envelope::parse(envelope).is_ok_and(|envelope| {
        let (_, commitment) = derive(data_key, envelope.salt);
        bool::from(commitment.ct_eq(envelope.commitment))
    })
}

/// The length of a wrapped key as the format writes it; none where the format has no such length.
///
/// One rule for both ways, so that whatever is sealed can be opened.
fn wrapped_key_length(length: usize) -> Option<u16> {
    u16::try_from(length).ok().filter(|_| (1..=MAX_WRAPPED_KEY).contains(&length))
}

/// The AES key of one seal, and the commitment that ties the ciphertext to the data key (AES-GCM alone does not).
#[expect(clippy::expect_used, reason = "HKDF-SHA-256 gives up to 8,160 bytes; 32 are asked for")]
pub(super) fn derive(data_key: &DataKey, salt: &[u8]) -> (Aes256Gcm, [u8; COMMITMENT]) {
    let hkdf = Hkdf::<Sha256>::new(Some(salt), data_key.expose());
    let mut key = Zeroizing::new([0; 32]);
    let mut commitment = [0; COMMITMENT];
    hkdf.expand(LABEL_KEY, key.as_mut()).expect("32 bytes are within HKDF's limit");
    hkdf.expand(LABEL_COMMITMENT, &mut commitment).expect("32 bytes are within HKDF's limit");
    (Aes256Gcm::new((&*key).into()), commitment)
}

#[cfg(test)]
mod tests;
