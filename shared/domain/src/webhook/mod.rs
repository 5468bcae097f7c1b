//! Webhooks: verified on their raw bytes, durable before they are acknowledged, in effect once.

mod address;
mod delivery;
mod event;
mod idempotency;
mod quickbooks;
mod receive;
pub mod signature;
mod subscription;

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
pub use receive::{Accepted, MAX_BODY_BYTES, ReceiveError, WebhookReceiver};
pub use subscription::{HEARD_NOTED, SILENCE, SILENCE_REPORTED, Subscription, Subscriptions};
