//! Webhooks: verified on their raw bytes, durable before they are acknowledged, in effect once.

mod address;
mod delivery;
mod event;
mod idempotency;
mod quickbooks;
mod reading;
mod receive;
mod refusals;
mod request;
pub mod signature;
mod subscription;
mod xero;
mod zoho;

pub use address::{AddressKeys, FoundAddress, WebhookAddress};
pub use delivery::{
    Delivery, DeliveryLog, DeliveryPage, DeliveryPart, DeliveryQuery, DeliveryStatus, RefusalReason, Refused,
    RefusedOnDay, Tally, UnknownDeliveryStatus,
};
pub use event::{
    EVENTS_VERSION, EventMessage, EventMessageError, EventQueue, MAX_KEPT_BODY, Operation, Unreadable,
    WebhookEvent,
};
pub use idempotency::{Begin, COMPLETED_LIFE, DELIVERY_LIFE, IN_PROGRESS_LIFE, IdempotencyStore};
pub use receive::{Accepted, MAX_EVENTS, ReceiveError, WebhookReceiver, WebhookSecrets};
pub use request::{MAX_BODY_BYTES, SentTo, Verified, WebhookRequest};
pub use subscription::{HEARD_NOTED, SILENCE, SILENCE_REPORTED, Subscription, Subscriptions};
