//! Whether tables, the key and queues can be used: one cheap call each.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client as DynamoClient;
use aws_sdk_kms::{
    Client as KmsClient,
    error::{ProvideErrorMetadata, SdkError},
    types::KeyState as StateAtKms,
};
use aws_sdk_sqs::{Client as SqsClient, types::QueueAttributeName};
use domain::{
    probe::{KeyProbe, KeyState, QueueDepth, QueueProbe, TableProbe},
    store::{StoreError, chain},
};
use futures::future::try_join;

use crate::{failure::unavailable, keys::Key};

/// A table, asked for an item that is not there: half a read unit.
#[derive(Clone, Debug)]
pub struct DynamoProbe {
    client: DynamoClient,
    table: String,
}

impl DynamoProbe {
    /// Asks `table`.
    #[must_use]
    pub fn new(client: DynamoClient, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl TableProbe for DynamoProbe {
    async fn answers(&self) -> Result<(), StoreError> {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.set_key(Some(Key::probe().into_item()));
        request.send().await.map_err(unavailable("answers"))?;
        Ok(())
    }
}

/// A KMS key.
#[derive(Clone, Debug)]
pub struct KmsProbe {
    client: KmsClient,
    key_id: String,
}

impl KmsProbe {
    /// Asks about `key_id` (id, ARN or alias).
    #[must_use]
    pub fn new(client: KmsClient, key_id: String) -> Self {
        Self { client, key_id }
    }
}

#[async_trait]
impl KeyProbe for KmsProbe {
    async fn state(&self) -> KeyState {
        let state = match self.client.describe_key().key_id(&self.key_id).send().await {
            Ok(described) => match described.key_metadata.and_then(|key| key.key_state) {
                Some(StateAtKms::Enabled) => KeyState::Usable,
                _ => KeyState::Disabled,
            },
            Err(error) => failed(&error),
        };
        if state != KeyState::Usable {
            tracing::warn!(state = state.as_str(), "Key of tokens cannot be used");
        }
        state
    }
}

fn failed<E, R>(error: &SdkError<E, R>) -> KeyState
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    tracing::warn!(error = chain(error), "KMS does not describe the key of tokens");
    match error.code() {
        Some("AccessDeniedException") => KeyState::Denied,
        Some("NotFoundException" | "InvalidArnException") => KeyState::Missing,
        Some("DisabledException" | "KMSInvalidStateException") => KeyState::Disabled,
        Some("ThrottlingException" | "LimitExceededException") => KeyState::Throttled,
        _ => KeyState::Unreachable,
    }
}

/// A queue of SQS with its dead-letter queue.
#[derive(Clone, Debug)]
pub struct SqsProbe {
    client: SqsClient,
    queue: String,
    dead_letters: String,
}

impl SqsProbe {
    /// Asks the queues with these addresses.
    #[must_use]
    pub fn new(client: SqsClient, queue: String, dead_letters: String) -> Self {
        Self { client, queue, dead_letters }
    }

    /// Messages that wait, and those that somebody works on.
    async fn count(&self, url: &str) -> Result<(u64, u64), StoreError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.client.get_queue_attributes().queue_url(url);
        let request = request.set_attribute_names(Some(names.to_vec()));
        let told = request.send().await.map_err(unavailable("depth"))?.attributes.unwrap_or_default();
        let number = |name| {
            let text = told.get(&name).ok_or_else(|| unavailable("depth")("an attribute is missing"))?;
            text.parse::<u64>().map_err(unavailable("depth"))
        };
        let [visible, delayed, in_flight] = names;
        Ok((number(visible)? + number(delayed)?, number(in_flight)?))
    }
}

#[async_trait]
impl QueueProbe for SqsProbe {
    async fn depth(&self) -> Result<QueueDepth, StoreError> {
        let (own, dead) = try_join(self.count(&self.queue), self.count(&self.dead_letters)).await?;
        Ok(QueueDepth { waiting: own.0, in_flight: own.1, dead_letters: dead.0 + dead.1 })
    }
}
