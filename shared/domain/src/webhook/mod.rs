//! Webhooks: verified on their raw bytes, durable before they are acknowledged, in effect once.

mod event;
mod idempotency;
mod quickbooks;
mod receive;
pub mod signature;

pub use event::{EVENTS_VERSION, EventMessage, EventMessageError, EventQueue, Operation, WebhookEvent};
pub use idempotency::{Begin, COMPLETED_LIFE, IN_PROGRESS_LIFE, IdempotencyStore};
pub use receive::{Accepted, MAX_BODY_BYTES, ReceiveError, WebhookReceiver};
