//! The keys of older systems, derived from one secret and a salt; how much work that may take is bounded.

use std::{collections::HashMap, sync::Arc};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use sha2::{Sha256, Sha512};
use thiserror::Error;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::report::Problem;
use crate::{error::ErrorCode, secret::MasterSecret};

/// The fewest iterations of PBKDF2 that are taken: what fewer protected was no secret.
pub const MIN_ITERATIONS: u32 = 1000;
/// The most iterations of PBKDF2 that are taken: OWASP asks for 600,000 with SHA-256.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// What a derivation with scrypt may take of memory, in bytes (128 * N * r): four times Node's default, a quarter of what the
/// function has.
pub const MAX_SCRYPT_MEMORY: u64 = 64 * 1024 * 1024;
/// The greatest parallelization of scrypt that is taken.
const MAX_SCRYPT_P: u32 = 4;
/// How much derivation one request may ask for. An iteration of PBKDF2 is 1, and so is each block of scrypt (N * r * p),
/// which takes about as long: 50 rows with salts of their own by the usual parameters of either are within.
pub const MAX_WORK: u64 = 7_000_000;
/// What older systems used, unless the request says otherwise.
const ITERATIONS: u32 = 100_000;
const SCRYPT: (u32, u32, u32) = (16_384, 8, 1);
/// The longest master secret and the longest salt, in bytes.
const MAX_INPUT: usize = 1024;
const KEY_BYTES: usize = 32;

/// Base64 in either alphabet once it is put into the standard one, with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// The bytes of the text itself.
    #[default]
    Utf8,
    /// Two digits for each byte.
    Hex,
    /// Base64 in either alphabet, with padding or without.
    Base64,
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        Some(match self {
            Self::Utf8 => text.as_bytes().to_vec().into(),
            Self::Hex => hex::decode(text).ok()?.into(),
            Self::Base64 => from_base64(text)?.into(),
        })
    }
}

/// The hash within PBKDF2.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// What the keys of rows are derived from; only for rows that are encrypted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRequest {
    /// The secret, which is kept nowhere.
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 2048)]
    pub master_secret: MasterSecret,
    /// How the secret's bytes are written; as text unless said otherwise.
    #[serde(default)]
    pub encoding: Encoding,
    /// The salt of rows that have none of their own.
    pub salt: Option<String>,
    /// How salts are written; hex where all of it is that, else base64 where it is that, else as text.
    pub salt_encoding: Option<Encoding>,
    /// PBKDF2: the hash, SHA-256 unless said otherwise.
    #[serde(default)]
    pub digest: Digest,
    /// PBKDF2: how many iterations, 100,000 unless said otherwise.
    #[schema(minimum = 1000, maximum = 1_000_000)]
    pub iterations: Option<u32>,
    /// scrypt: the cost N, a power of two, 16,384 unless said otherwise.
    #[schema(minimum = 2)]
    pub n: Option<u32>,
    /// scrypt: the block size r, 8 unless said otherwise.
    #[schema(minimum = 1)]
    pub r: Option<u32>,
    /// scrypt: the parallelization p, 1 unless said otherwise.
    #[schema(minimum = 1, maximum = 4)]
    pub p: Option<u32>,
}

/// A part of a [`SecretRequest`] that is refused; its value is not repeated.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{field} {wanted}")]
pub struct InvalidSecret {
    /// Which part.
    pub field: &'static str,
    /// What it must be.
    pub wanted: &'static str,
}

/// How a key is derived.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Derivation {
    Pbkdf2,
    Scrypt,
}

/// A key of an older system; wiped when its last holder drops it.
pub(super) type LegacyKey = Arc<Zeroizing<[u8; KEY_BYTES]>>;

/// The secret of an older system with the parameters of its keys, all within bounds.
pub struct LegacySecret {
    master: Arc<Zeroizing<Vec<u8>>>,
    salt: Option<String>,
    salt_encoding: Option<Encoding>,
    digest: Digest,
    iterations: u32,
    scrypt: scrypt::Params,
    scrypt_work: u64,
}

impl TryFrom<SecretRequest> for LegacySecret {
    type Error = InvalidSecret;

    fn try_from(request: SecretRequest) -> Result<Self, InvalidSecret> {
        let refuse = |field, wanted| InvalidSecret { field, wanted };
        let master = request.encoding.decode(request.master_secret.expose());
        let master = master.filter(|master| (1..=MAX_INPUT).contains(&master.len())).ok_or(refuse(
            "masterSecret",
            "must be 1 to 1024 bytes, written as encoding says (utf8, hex or base64)",
        ))?;
        let iterations = request.iterations.unwrap_or(ITERATIONS);
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(refuse("iterations", "must be 1000 to 1000000"));
        }
        let (n, r, p) =
            (request.n.unwrap_or(SCRYPT.0), request.r.unwrap_or(SCRYPT.1), request.p.unwrap_or(SCRYPT.2));
        if !n.is_power_of_two() || n < 2 {
            return Err(refuse("n", "must be a power of two"));
        }
        if r == 0 || 128 * u64::from(n) * u64::from(r) > MAX_SCRYPT_MEMORY {
            return Err(refuse("r", "must be at least 1, and 128 * n * r at most 64 MiB"));
        }
        if !(1..=MAX_SCRYPT_P).contains(&p) {
            return Err(refuse("p", "must be 1 to 4"));
        }
        let log_n = u8::try_from(n.ilog2()).unwrap_or(u8::MAX);
        let scrypt = scrypt::Params::new(log_n, r, p).map_err(|_| refuse("n", "does not go with r and p"))?;
        Ok(Self {
            master: Arc::new(master),
            salt: request.salt,
            salt_encoding: request.salt_encoding,
            digest: request.digest,
            iterations,
            scrypt,
            scrypt_work: u64::from(n) * u64::from(r) * u64::from(p),
        })
    }
}

impl LegacySecret {
    fn work(&self, derivation: Derivation) -> u64 {
        match derivation {
            Derivation::Pbkdf2 => self.iterations.into(),
            Derivation::Scrypt => self.scrypt_work,
        }
    }

    fn salt(&self, own: Option<&str>) -> Result<Vec<u8>, Problem> {
        let text = own.or(self.salt.as_deref());
        let text = text.ok_or(Problem::invalid("the row has no salt, and secret.salt is not set"))?;
        let salt = match self.salt_encoding {
            Some(encoding) => encoding.decode(text).map(|salt| salt.to_vec()),
            None => Some(from_either(text).unwrap_or_else(|| text.as_bytes().to_vec())),
        };
        salt.filter(|salt| (1..=MAX_INPUT).contains(&salt.len()))
            .ok_or(Problem::invalid("salt must be 1 to 1024 bytes, written as secret.saltEncoding says"))
    }

    /// Derives a key beside the other work of this process, which it would hold up.
    async fn derive(&self, derivation: Derivation, salt: Vec<u8>) -> Result<LegacyKey, Problem> {
        let (master, digest, iterations, params) =
            (self.master.clone(), self.digest, self.iterations, self.scrypt);
        let derived = tokio::task::spawn_blocking(move || {
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            let out = key.as_mut_slice();
            match (derivation, digest) {
                (Derivation::Pbkdf2, Digest::Sha256) => {
                    pbkdf2::pbkdf2_hmac::<Sha256>(&master, &salt, iterations, out);
                }
                (Derivation::Pbkdf2, Digest::Sha512) => {
                    pbkdf2::pbkdf2_hmac::<Sha512>(&master, &salt, iterations, out);
                }
                (Derivation::Scrypt, _) => scrypt::scrypt(&master, &salt, &params, out)?,
            }
            Ok::<_, scrypt::errors::InvalidOutputLen>(Arc::new(key))
        });
        // Neither comes to pass: the length is fixed, and nothing in there panics.
        let failed = || Problem::new(ErrorCode::InternalError, "the key of the row could not be derived");
        derived.await.map_err(|_| failed())?.map_err(|_| failed())
    }
}

/// The keys of one request: each is derived once, and all together within [`MAX_WORK`].
pub(super) struct LegacyKeys {
    secret: Option<LegacySecret>,
    derived: HashMap<(Derivation, Vec<u8>), LegacyKey>,
    work_left: u64,
}

impl LegacyKeys {
    pub(super) fn new(secret: Option<LegacySecret>) -> Self {
        Self { secret, derived: HashMap::new(), work_left: MAX_WORK }
    }

    /// The key of a row with this salt, or with that of all.
    pub(super) async fn key(
        &mut self,
        derivation: Derivation,
        salt: Option<&str>,
    ) -> Result<LegacyKey, Problem> {
        let secret = self.secret.as_ref();
        let secret = secret.ok_or(Problem::invalid("the row is encrypted: send secret.masterSecret"))?;
        let salt = secret.salt(salt)?;
        if let Some(key) = self.derived.get(&(derivation, salt.clone())) {
            return Ok(key.clone());
        }
        let left = self.work_left.checked_sub(secret.work(derivation));
        self.work_left = left.ok_or(Problem::new(
            ErrorCode::RateLimitExceeded,
            "deriving the keys of so many salts is too much work for one request: send fewer rows at once",
        ))?;
        let key = secret.derive(derivation, salt.clone()).await?;
        self.derived.insert((derivation, salt), key.clone());
        Ok(key)
    }
}

/// Bytes in hex where all of it is that, else in base64.
pub(super) fn from_either(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().or_else(|| from_base64(text))
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('-', "+").replace('_', "/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SecretRequest {
        SecretRequest {
            master_secret: MasterSecret::new("hunter2"),
            encoding: Encoding::Utf8,
            salt: None,
            salt_encoding: None,
            digest: Digest::Sha256,
            iterations: None,
            n: None,
            r: None,
            p: None,
        }
    }

    fn refused(change: impl FnOnce(&mut SecretRequest)) -> Option<&'static str> {
        let mut request = request();
        change(&mut request);
        LegacySecret::try_from(request).err().map(|refused| refused.field)
    }

    #[test]
    fn parameters_are_taken_within_their_bounds_and_not_beyond() {
        assert_eq!(refused(|_| ()), None);
        for iterations in [0, MIN_ITERATIONS - 1, MAX_ITERATIONS + 1, u32::MAX] {
            assert_eq!(refused(|request| request.iterations = Some(iterations)), Some("iterations"));
        }
        for n in [0, 1, 3, 16_383] {
            assert_eq!(refused(|request| request.n = Some(n)), Some("n"));
        }
        assert_eq!(refused(|request| request.n = Some(65_536)), None, "64 MiB");
        for (n, r) in [(131_072, 8), (2, u32::MAX), (1 << 31, 8), (16_384, 0)] {
            assert_eq!(refused(|request| (request.n, request.r) = (Some(n), Some(r))), Some("r"), "{n} {r}");
        }
        for p in [0, 5] {
            assert_eq!(refused(|request| request.p = Some(p)), Some("p"));
        }
        assert_eq!(refused(|request| request.master_secret = MasterSecret::new("")), Some("masterSecret"));
        assert_eq!(refused(|request| request.encoding = Encoding::Hex), Some("masterSecret"));
    }

    #[test]
    fn base64_is_read_in_either_alphabet_with_padding_or_without() {
        for text in ["+/+/+w==", "-_-_-w==", "-_-_-w", "+/+/+w"] {
            assert_eq!(from_either(text), Some(vec![0xfb, 0xff, 0xbf, 0xfb]), "{text}");
        }
        assert_eq!(from_either("0aFF"), Some(vec![0x0a, 0xff]), "hex goes first");
        assert_eq!(from_either("no bytes"), None);
    }

    #[tokio::test]
    async fn the_keys_of_one_request_are_each_derived_once_and_bounded_together() {
        let mut request = request();
        request.iterations = Some(MAX_ITERATIONS);
        let mut keys = LegacyKeys::new(Some(request.try_into().unwrap()));
        keys.work_left = MIN_ITERATIONS.into();

        let refused = keys.key(Derivation::Pbkdf2, Some("s1")).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimitExceeded);

        let known: LegacyKey = Arc::new(Zeroizing::new([7; KEY_BYTES]));
        keys.derived.insert((Derivation::Pbkdf2, b"s1".to_vec()), known.clone());
        assert_eq!(keys.key(Derivation::Pbkdf2, Some("s1")).await.unwrap(), known);
    }
}
