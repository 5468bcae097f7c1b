//! Sealing of whole token sets: two envelopes, one key-service call a refresh.

use std::{sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    DATA_KEY_BYTES, DataKey, DataKeys, KeyError, OpenError, Purpose, SealError, SealingContext, WrappedKey,
    envelope::{commits_to, open, seal, wrapped_key},
};
use crate::{
    connection::{Connection, ConnectionKey, SealedTokens},
    entropy::Entropy,
    provider::Provider,
    secret::{AccessToken, RefreshToken},
    token::TokenSet,
};

/// Data keys older than this are replaced at the next refresh.
pub const MAX_KEY_AGE: Duration = Duration::from_hours(90 * 24);

/// Why a sealed token could not be had in the clear.
#[derive(Debug, Error)]
pub enum UnsealError {
    /// The data key could not be had.
    #[error("the data key could not be had")]
    Key(#[from] KeyError),
    /// The ciphertext does not open in its place.
    #[error("the sealed token does not open")]
    Open(#[from] OpenError),
}

/// A token set as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SealedPair {
    /// The access token's envelope.
    pub access: Vec<u8>,
    /// The refresh token's envelope; it also carries the access envelope's data key.
    pub refresh: Vec<u8>,
}

/// Everything that a refresh needs in its hand before it posts: the token to spend, and the keys to seal the answer with.
#[derive(Debug)]
pub struct OpenedRefresh {
    /// The refresh token to spend.
    pub token: RefreshToken,
    /// The envelope it came from.
    pub envelope: Vec<u8>,
    /// The generation of that envelope.
    pub generation: u64,
    keys: KeyPair,
    new_keys: bool,
}

impl OpenedRefresh {
    /// Whether the keys in hand are new, so that the token set sealed with them is the first under them.
    #[must_use]
    pub fn has_new_keys(&self) -> bool {
        self.new_keys
    }
}

#[derive(Debug)]
struct KeyPair {
    access: (DataKey, WrappedKey),
    refresh: (DataKey, WrappedKey),
}

/// Seals and opens the token sets of one deployment.
pub struct TokenSealer {
    environment: String,
    keys: Arc<dyn DataKeys>,
    entropy: Arc<dyn Entropy>,
}

impl TokenSealer {
    /// A sealer for the deployment called `environment`.
    #[must_use]
    pub fn new(environment: String, keys: Arc<dyn DataKeys>, entropy: Arc<dyn Entropy>) -> Self {
        Self { environment, keys, entropy }
    }

    /// Seals a token set under two new data keys: a new connection, a reconnect. Two key-service calls.
    pub async fn seal_under_new_keys(
        &self,
        (key, provider): (&ConnectionKey, Provider),
        generation: u64,
        tokens: &TokenSet,
    ) -> Result<SealedPair, SealTokensError> {
        let keys = self.new_keys(key, provider).await?;
        Ok(self.seal_pair(&keys, (key, provider), generation, tokens)?)
    }

    /// Opens the refresh token that `sealed` holds: one key-service call.
    pub async fn open_refresh(
        &self,
        connection: &Connection,
        sealed: &SealedTokens,
    ) -> Result<OpenedRefresh, UnsealError> {
        self.open_refresh_envelope(connection, sealed, (&sealed.refresh, sealed.generation)).await
    }

    /// Opens the refresh token before the current one, kept for recovery.
    pub async fn open_previous(
        &self,
        connection: &Connection,
        sealed: &SealedTokens,
    ) -> Result<Option<OpenedRefresh>, UnsealError> {
        match &sealed.previous {
            Some(previous) => {
                let envelope = (previous.refresh.as_slice(), previous.generation);
                self.open_refresh_envelope(connection, sealed, envelope).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Opens the access token: no key-service call when its data key is in the cache.
    pub async fn open_access(
        &self,
        connection: &Connection,
        sealed: &SealedTokens,
    ) -> Result<AccessToken, UnsealError> {
        let context = self.context(&connection.key, connection.provider, Purpose::Access);
        let data_key = self.keys.unwrap_key(wrapped_key(&sealed.access)?, &context).await?;
        let plaintext = open(&data_key, (&context, sealed.generation), &sealed.access)?;
        Ok(AccessToken::new(text(&plaintext)?))
    }

    /// Opens the access token with the key that the refresh envelope carries: no call to anything; none where that key was
    /// replaced since.
    pub fn open_access_with(
        &self,
        connection: &Connection,
        sealed: &SealedTokens,
        opened: &OpenedRefresh,
    ) -> Result<Option<AccessToken>, OpenError> {
        if opened.new_keys {
            return Ok(None);
        }
        let context = self.context(&connection.key, connection.provider, Purpose::Access);
        let plaintext = open(&opened.keys.access.0, (&context, sealed.generation), &sealed.access)?;
        Ok(Some(AccessToken::new(text(&plaintext)?)))
    }

    /// Puts two new data keys in the hand of a refresh whose old ones are older than [`MAX_KEY_AGE`].
    pub async fn renew_keys(
        &self,
        connection: &Connection,
        opened: OpenedRefresh,
    ) -> Result<OpenedRefresh, KeyError> {
        let keys = self.new_keys(&connection.key, connection.provider).await?;
        Ok(OpenedRefresh { keys, new_keys: true, ..opened })
    }

    /// Seals the answer of a refresh under the keys already in hand: no call to anything.
    pub fn reseal(
        &self,
        connection: &Connection,
        opened: &OpenedRefresh,
        generation: u64,
        tokens: &TokenSet,
    ) -> Result<SealedPair, SealError> {
        self.seal_pair(&opened.keys, (&connection.key, connection.provider), generation, tokens)
    }

    async fn new_keys(&self, key: &ConnectionKey, provider: Provider) -> Result<KeyPair, KeyError> {
        let access = self.keys.generate(&self.context(key, provider, Purpose::Access)).await?;
        let refresh = self.keys.generate(&self.context(key, provider, Purpose::Refresh)).await?;
        Ok(KeyPair { access, refresh })
    }

    fn seal_pair(
        &self,
        keys: &KeyPair,
        (key, provider): (&ConnectionKey, Provider),
        generation: u64,
        tokens: &TokenSet,
    ) -> Result<SealedPair, SealError> {
        let seal = |(data_key, wrapped): &(DataKey, WrappedKey), purpose, plaintext: &[u8]| {
            let context = self.context(key, provider, purpose);
            seal(data_key, &wrapped.0, (&context, generation), plaintext, &*self.entropy)
        };
        let mut refresh = Zeroizing::new(Vec::with_capacity(DATA_KEY_BYTES + tokens.refresh.expose().len()));
        refresh.extend_from_slice(keys.access.0.expose());
        refresh.extend_from_slice(tokens.refresh.expose().as_bytes());
        Ok(SealedPair {
            access: seal(&keys.access, Purpose::Access, tokens.access.expose().as_bytes())?,
            refresh: seal(&keys.refresh, Purpose::Refresh, &refresh)?,
        })
    }

    async fn open_refresh_envelope(
        &self,
        connection: &Connection,
        sealed: &SealedTokens,
        (envelope, generation): (&[u8], u64),
    ) -> Result<OpenedRefresh, UnsealError> {
        let context = self.context(&connection.key, connection.provider, Purpose::Refresh);
        let wrapped = wrapped_key(envelope)?;
        let refresh_key = self.keys.unwrap_key(wrapped, &context).await?;
        let plaintext = open(&refresh_key, (&context, generation), envelope)?;
        let (access_key, token) = plaintext.split_at_checked(DATA_KEY_BYTES).ok_or(OpenError)?;
        let access_key = DataKey::from_slice(access_key).ok_or(OpenError)?;
        let token = RefreshToken::new(text(token)?);
        // A `previous` envelope may carry an access key that was replaced since; sealing under it would lose the token. An
        // access envelope that came to harm is no reason to spare the refresh token, which brings a whole one.
        let (keys, new_keys) = if commits_to(&sealed.access, &access_key) {
            let access_wrapped = WrappedKey(wrapped_key(&sealed.access)?.to_vec());
            let refresh_wrapped = WrappedKey(wrapped.to_vec());
            (KeyPair { access: (access_key, access_wrapped), refresh: (refresh_key, refresh_wrapped) }, false)
        } else {
            (self.new_keys(&connection.key, connection.provider).await?, true)
        };
        Ok(OpenedRefresh { token, envelope: envelope.to_vec(), generation, keys, new_keys })
    }

    fn context<'a>(
        &'a self,
        key: &'a ConnectionKey,
        provider: Provider,
        purpose: Purpose,
    ) -> SealingContext<'a> {
        SealingContext { environment: &self.environment, key, provider, purpose }
    }
}

/// Why a token set could not be sealed under new keys.
#[derive(Debug, Error)]
pub enum SealTokensError {
    /// The data keys could not be had.
    #[error("the data keys could not be had")]
    Key(#[from] KeyError),
    /// A token is too long.
    #[error("the token set cannot be sealed")]
    Seal(#[from] SealError),
}

/// A name for a refresh token that does not reveal it: the first 16 bytes of its SHA-256, in hex.
///
/// Stored in the intent, so that a later worker can tell which token an earlier one was about to spend.
#[must_use]
pub fn fingerprint(token: &RefreshToken) -> String {
    hex::encode(&Sha256::digest(token.expose().as_bytes())[..16])
}

fn text(plaintext: &[u8]) -> Result<String, OpenError> {
    std::str::from_utf8(plaintext).map(str::to_owned).map_err(|_| OpenError)
}
