//! A queue as the function sees that consumes it: when a message comes again, and where one goes that never should.

use std::time::Duration;

use aws_sdk_sqs::Client;
use domain::store::StoreError;

use crate::{Letter, SqsDeadLetters, failure::unavailable};

/// A queue that a function consumes.
#[derive(Clone, Debug)]
pub struct SqsSource {
    client: Client,
    url: String,
    dead_letters: SqsDeadLetters,
}

impl SqsSource {
    /// Uses the queue at `url` and its dead-letter queue at `dead_letter_url`.
    #[must_use]
    pub fn new(client: Client, url: String, dead_letter_url: String) -> Self {
        let dead_letters = SqsDeadLetters::new(client.clone(), dead_letter_url);
        Self { client, url, dead_letters }
    }

    /// The name of the queue, as its address and its ARN end.
    #[must_use]
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Lets a message that was received come again after `wait`, in whole seconds and no sooner.
    pub async fn postpone(&self, receipt_handle: &str, wait: Duration) -> Result<(), StoreError> {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let request = self.client.change_message_visibility().queue_url(&self.url);
        let request = request.receipt_handle(receipt_handle);
        let request = request.visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX));
        request.send().await.map_err(unavailable("postpone"))?;
        Ok(())
    }

    /// Puts a message into the dead-letter queue as it came, with the reason.
    pub async fn bury(&self, letter: Letter<'_>, reason: &str) -> Result<(), StoreError> {
        self.dead_letters.send(letter, reason).await
    }
}
