//! The log of deliveries: what became of each webhook request, and how many were refused.

use std::{fmt, ops::AddAssign, str::FromStr};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use super::Unreadable;
use crate::{
    id::{CorrelationId, DeliveryId},
    provider::Provider,
    store::StoreError,
};

/// How far a delivery came.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The request came; it stays so only until its signature is verified.
    Received,
    /// Its signature is right; it stays so only until its events are durable.
    Verified,
    /// Its events are durable, and some of them are still to have their effect.
    Enqueued,
    /// Every event that concerns a connection had its effect, at least one of them through this delivery.
    Processed,
    /// Every event had its effect through a delivery before.
    Duplicate,
    /// None of its events concerns anything that is kept.
    Rejected,
    /// An event could not be applied, or the body not be read.
    Failed,
}

impl DeliveryStatus {
    /// Every status, in the order of a delivery's life.
    pub const ALL: [Self; 7] = [
        Self::Received,
        Self::Verified,
        Self::Enqueued,
        Self::Processed,
        Self::Duplicate,
        Self::Rejected,
        Self::Failed,
    ];

    /// The name in routes and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Verified => "verified",
            Self::Enqueued => "enqueued",
            Self::Processed => "processed",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// A name that is none of the statuses'.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("status must be one of received, verified, enqueued, processed, duplicate, rejected, failed")]
pub struct UnknownDeliveryStatus;

impl FromStr for DeliveryStatus {
    type Err = UnknownDeliveryStatus;

    fn from_str(text: &str) -> Result<Self, UnknownDeliveryStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownDeliveryStatus)
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of events, by number; each event is counted once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Had their effect.
    pub applied: u64,
    /// Had their effect through a delivery before.
    pub duplicate: u64,
    /// Are older than events may be.
    pub stale: u64,
    /// Are about a company that nobody connected.
    pub unknown_company: u64,
    /// Are about a company whose connection has ended, or may not be used.
    pub disconnected: u64,
    /// Are of a kind that is not kept, or about a company for whose tenant nothing is done at present.
    pub unknown_type: u64,
    /// Could not be applied and do not come again.
    pub failed: u64,
    /// Are to be tried again.
    pub waiting: u64,
}

impl Tally {
    /// Events of any outcome.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { applied, duplicate, stale, unknown_company, disconnected, unknown_type, failed, waiting } =
            self;
        applied + duplicate + stale + unknown_company + disconnected + unknown_type + failed + waiting
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.applied += other.applied;
        self.duplicate += other.duplicate;
        self.stale += other.stale;
        self.unknown_company += other.unknown_company;
        self.disconnected += other.disconnected;
        self.unknown_type += other.unknown_type;
        self.failed += other.failed;
        self.waiting += other.waiting;
    }
}

/// What became of one part of a delivery: the whole of it each time, so that a part that comes again replaces what was
/// noted before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeliveryPart {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which part, from 1, of how many.
    pub part: (u32, u32),
    /// The provider that sent it.
    pub provider: Provider,
    /// When it came.
    pub received_at: Timestamp,
    /// What ties its log lines together.
    pub correlation: CorrelationId,
    /// What became of its events.
    pub tally: Tally,
    /// Why not all of them had their effect, as a stable word (`unknown_company`) or the name of an error.
    pub reason: Option<String>,
    /// What could not be read.
    pub unreadable: Option<Unreadable>,
    /// When this was so.
    pub noted_at: Timestamp,
}

/// A delivery as its log knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// The delivery.
    pub id: DeliveryId,
    /// The provider that sent it.
    pub provider: Provider,
    /// When it came.
    pub received_at: Timestamp,
    /// What ties its log lines together.
    pub correlation: CorrelationId,
    /// In how many parts it travels, and how many of them are noted.
    pub parts: (u32, u32),
    /// What became of its events, as far as its parts are noted.
    pub tally: Tally,
    /// Why not all of them had their effect.
    pub reason: Option<String>,
    /// What could not be read.
    pub unreadable: Option<Unreadable>,
    /// When its newest part was noted.
    pub noted_at: Timestamp,
}

impl Delivery {
    /// The delivery that these parts are of; none where there are none.
    #[must_use]
    pub fn of(parts: Vec<DeliveryPart>) -> Option<Self> {
        let noted = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        parts.into_iter().map(|part| Self::of_one(part, noted)).reduce(|mut whole, part| {
            whole.tally += part.tally;
            whole.reason = whole.reason.or(part.reason);
            whole.unreadable = whole.unreadable.or(part.unreadable);
            whole.noted_at = whole.noted_at.max(part.noted_at);
            whole
        })
    }

    fn of_one(part: DeliveryPart, noted: u32) -> Self {
        Self {
            id: part.delivery,
            provider: part.provider,
            received_at: part.received_at,
            correlation: part.correlation,
            parts: (part.part.1, noted),
            tally: part.tally,
            reason: part.reason,
            unreadable: part.unreadable,
            noted_at: part.noted_at,
        }
    }

    /// How far it came.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        let Tally { applied, duplicate, failed, waiting, .. } = self.tally;
        match self.parts {
            _ if failed > 0 || self.unreadable.is_some() => DeliveryStatus::Failed,
            (of, noted) if noted < of || waiting > 0 => DeliveryStatus::Enqueued,
            _ if applied > 0 => DeliveryStatus::Processed,
            _ if duplicate > 0 => DeliveryStatus::Duplicate,
            _ => DeliveryStatus::Rejected,
        }
    }
}

/// Deliveries that were refused for one reason; of each only the number is kept, so that nobody can fill a table with
/// rubbish.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The provider whose address was used.
    pub provider: Provider,
    /// Why.
    pub reason: RefusalReason,
    /// How many.
    pub count: u64,
}

/// Why a delivery was refused at the door.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The signature is missing, repeated or wrong.
    BadSignature,
    /// The body, or the number of its events, is more than is taken.
    TooLarge,
    /// The address has the form of a company's and is none of ours.
    UnknownAddress,
}

impl RefusalReason {
    /// The name in answers, tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::TooLarge => "too_large",
            Self::UnknownAddress => "unknown_address",
        }
    }
}

/// Refused deliveries of one day (UTC).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedOnDay {
    /// The day.
    pub day: Date,
    /// Which, and how many.
    pub refused: Refused,
}

/// Which deliveries of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryQuery {
    /// Only those of this provider.
    pub provider: Option<Provider>,
    /// Only those that came this far.
    pub status: Option<DeliveryStatus>,
}

/// One page of the log.
#[derive(Clone, Debug, Default)]
pub struct DeliveryPage {
    /// The deliveries, newest first; of a body that could not be read, only its size and why.
    pub deliveries: Vec<Delivery>,
    /// Where the next page begins; there may be one although this page is empty.
    pub next: Option<String>,
}

/// Where the log of deliveries is kept; entries are forgotten after [`DELIVERY_LIFE`](super::DELIVERY_LIFE).
#[async_trait]
pub trait DeliveryLog: Send + Sync {
    /// Notes what became of a part of a delivery, in place of what was noted of it before.
    async fn note(&self, part: &DeliveryPart) -> Result<(), StoreError>;

    /// A delivery with all that is kept of it.
    async fn find(&self, id: &DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// Lists deliveries, newest first, from where the page before ended; a page may hold fewer than `limit`, since no
    /// more than a bounded number is looked at.
    async fn list(
        &self,
        query: DeliveryQuery,
        limit: u32,
        from: Option<&str>,
    ) -> Result<DeliveryPage, StoreError>;

    /// Adds deliveries that were refused to those of the day of `at`.
    async fn count_refused(&self, refused: &[Refused], at: Timestamp) -> Result<(), StoreError>;

    /// The refused deliveries of a provider, newest day first.
    async fn list_refused(&self, provider: Provider) -> Result<Vec<RefusedOnDay>, StoreError>;
}
