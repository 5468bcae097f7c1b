//! The ciphertexts of older systems: how they are written, and opening them (AES-256-GCM, NIST SP 800-38D).

use aes_gcm::{
    Aes256Gcm, AesGcm, KeyInit as _, Nonce,
    aead::{Aead as _, consts::U16},
    aes::Aes256,
};
use zeroize::Zeroizing;

use super::{
    key::{LegacyKey, from_either},
    report::Problem,
};
use crate::error::ErrorCode;

const TAG: usize = 16;
/// An IV has the 12 bytes that GCM is made for, or the 16 that some took for it.
const IVS: [usize; 2] = [12, 16];
/// Between the parts of a ciphertext that is written in one column.
const SEPARATOR: char = ':';

/// A ciphertext with its IV; the tag is its last 16 bytes.
#[derive(Debug)]
pub(super) struct Ciphertext {
    pub(super) iv: Vec<u8>,
    sealed: Vec<u8>,
}

/// A ciphertext as a row writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    /// Which token it is, for the message of a refusal.
    pub(super) name: &'static str,
    /// `iv:tag:ciphertext`, or the ciphertext alone.
    pub(super) text: &'a str,
    /// The IV in a column of its own.
    pub(super) iv: Option<&'a str>,
    /// The tag in a column of its own.
    pub(super) tag: Option<&'a str>,
}

impl Ciphertext {
    /// Reads a ciphertext in one of its forms: `iv:tag:ciphertext` in one column; or the IV in its own, and the tag in its
    /// own or at the end.
    pub(super) fn read(written: Written<'_>) -> Result<Self, Problem> {
        let Written { name, text, iv, tag } = written;
        let invalid = |what: &str| Problem::invalid(format!("{name} {what}"));
        let parts: Vec<_> = text.split(SEPARATOR).collect();
        let (iv, tag, text) = match (parts.as_slice(), iv, tag) {
            ([iv, tag, text], None, None) => (*iv, Some(*tag), *text),
            ([text], Some(iv), tag) => (iv, tag, *text),
            ([_], None, _) => {
                return Err(invalid("has no IV: write iv:tag:ciphertext, or iv in a field of its own"));
            }
            _ => return Err(invalid("must be iv:tag:ciphertext, or the ciphertext alone")),
        };
        let iv = from_either(iv).filter(|iv| IVS.contains(&iv.len()));
        let iv = iv.ok_or_else(|| invalid("has an IV that is not 12 or 16 bytes in hex or base64"))?;
        let mut sealed = from_either(text).ok_or_else(|| invalid("is neither hex nor base64"))?;
        if let Some(tag) = tag {
            let tag = from_either(tag).filter(|tag| tag.len() == TAG);
            sealed.extend(tag.ok_or_else(|| invalid("has a tag that is not 16 bytes in hex or base64"))?);
        }
        if sealed.len() <= TAG {
            return Err(invalid("is too short: a tag of 16 bytes belongs to it"));
        }
        Ok(Self { iv, sealed })
    }

    /// Opens it, whole or not at all.
    pub(super) fn open(&self, key: &LegacyKey) -> Result<Zeroizing<String>, Problem> {
        let opened = if let Ok(iv) = <[u8; 12]>::try_from(self.iv.as_slice()) {
            Aes256Gcm::new(&(***key).into()).decrypt(&Nonce::from(iv), self.sealed.as_slice())
        } else if let Ok(iv) = <[u8; 16]>::try_from(self.iv.as_slice()) {
            AesGcm::<Aes256, U16>::new(&(***key).into()).decrypt(&Nonce::from(iv), self.sealed.as_slice())
        } else {
            Err(aes_gcm::Error)
        };
        let opened = Zeroizing::new(opened.map_err(|_| unreadable())?);
        std::str::from_utf8(&opened).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| unreadable())
    }
}

/// One refusal without a reason: GCM knows none.
fn unreadable() -> Problem {
    let message =
        "the row does not open: its master secret, salt or parameters are others, or it was changed or cut";
    Problem::new(ErrorCode::ImportUnreadable, message)
}
