//! Data keys from KMS.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::DataKeySpec,
};
use domain::{
    sealing::{DataKey, DataKeys, KeyError, SealingContext, WrappedKey},
    store::{BoxError, chain},
};
use zeroize::Zeroizing;

/// What KMS answers when it will never open this data key in this place; all else may pass.
const REFUSALS: [&str; 8] = [
    "AccessDeniedException",
    "DisabledException",
    "IncorrectKeyException",
    "InvalidCiphertextException",
    "InvalidKeyUsageException",
    "KMSInvalidStateException",
    "NotFoundException",
    "ValidationException",
];

/// A KMS key that wraps data keys.
#[derive(Clone, Debug)]
pub struct KmsDataKeys {
    client: Client,
    key_id: String,
}

impl KmsDataKeys {
    /// Uses the KMS key `key_id` (id, ARN or alias).
    #[must_use]
    pub fn new(client: Client, key_id: String) -> Self {
        Self { client, key_id }
    }
}

#[async_trait]
impl DataKeys for KmsDataKeys {
    async fn generate(&self, context: &SealingContext<'_>) -> Result<(DataKey, WrappedKey), KeyError> {
        let request = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(encryption_context(context)));
        let output = request.send().await.map_err(|error| key_error(&error))?;
        let wrapped = output.ciphertext_blob.ok_or_else(|| incomplete("no wrapped key"))?;
        Ok((data_key(output.plaintext)?, WrappedKey(wrapped.into_inner())))
    }

    async fn unwrap_key(&self, wrapped: &[u8], context: &SealingContext<'_>) -> Result<DataKey, KeyError> {
        // Naming the key keeps a blob of any other key, even one of another account, from being opened.
        let request = self
            .client
            .decrypt()
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(wrapped))
            .set_encryption_context(Some(encryption_context(context)));
        let output = request.send().await.map_err(|error| key_error(&error))?;
        data_key(output.plaintext)
    }
}

fn encryption_context(context: &SealingContext<'_>) -> HashMap<String, String> {
    context.encryption_context().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Takes the key out of the answer and wipes the copy; the SDK's own buffers are out of reach.
fn data_key(plaintext: Option<Blob>) -> Result<DataKey, KeyError> {
    let plaintext = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
    DataKey::from_slice(&plaintext).ok_or_else(|| incomplete("no key of 256 bits"))
}

fn incomplete(what: &'static str) -> KeyError {
    KeyError::Unavailable(what.into())
}

/// The error in the domain's words. Only its text is kept: the SDK's error holds the raw answer.
fn key_error<E, R>(error: &SdkError<E, R>) -> KeyError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let refused = error.code().is_some_and(|code| REFUSALS.contains(&code));
    let source = BoxError::from(chain(error));
    if refused { KeyError::Refused(source) } else { KeyError::Unavailable(source) }
}
