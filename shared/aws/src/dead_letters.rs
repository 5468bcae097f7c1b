//! Where messages go that cannot be understood: straight to the dead-letter queue, with the reason.

use aws_sdk_sqs::Client;
use domain::store::StoreError;

use crate::{event_queue::string_attribute, failure::unavailable};

/// The attribute that says why.
const REASON: &str = "reason";
/// How the name of a FIFO queue ends.
const FIFO: &str = ".fifo";
/// Enough for any of our reasons, and a bound for whatever may slip into one.
const MAX_REASON: usize = 256;

/// A message as its queue handed it out.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The id that its queue gave it.
    pub id: &'a str,
    /// Its body.
    pub body: &'a str,
    /// The group that it waited in, where it had one: a line (FIFO), or a tenant among whom its queue is shared.
    pub group: Option<&'a str>,
}

/// The dead-letter queue of a function.
#[derive(Clone, Debug)]
pub struct SqsDeadLetters {
    client: Client,
    url: String,
}

impl SqsDeadLetters {
    /// Uses the queue at `url`.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts a message away as it came, with the reason in at most 256 characters.
    pub async fn send(&self, letter: Letter<'_>, reason: &str) -> Result<(), StoreError> {
        let reason = string_attribute(&bounded(reason))?;
        let request = self.client.send_message().queue_url(&self.url).message_body(letter.body);
        let request = request.message_attributes(REASON, reason);
        let request = request.set_message_group_id(letter.group.map(str::to_owned));
        // Only a FIFO queue takes it, and asks for it; on others a group is a matter of fairness.
        let is_fifo = self.url.ends_with(FIFO);
        let request = request.set_message_deduplication_id(is_fifo.then(|| letter.id.to_owned()));
        request.send().await.map_err(unavailable("send_dead_letter"))?;
        Ok(())
    }
}

/// SQS takes no empty attribute and no control characters.
fn bounded(reason: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = reason.chars().map(printable).take(MAX_REASON).collect();
    if text.is_empty() { "unknown".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_printable_and_never_empty() {
        assert_eq!(bounded("a\u{0}b\nc"), "a b c");
        assert_eq!(bounded(&"ü".repeat(1000)).chars().count(), MAX_REASON);
        assert_eq!(bounded(""), "unknown");
    }
}
