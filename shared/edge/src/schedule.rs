//! The clock's own event.

use jiff::Timestamp;
use serde::Deserialize;

/// EventBridge's scheduled event, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub struct ScheduledEvent {
    /// What kind of event it is; no other kind reads as one.
    #[serde(rename = "detail-type")]
    pub detail_type: ScheduledDetail,
    /// The tick: the same when the same tick is delivered twice.
    #[serde(default)]
    pub time: Option<Timestamp>,
}

/// The kind of a scheduled event.
#[derive(Debug, Deserialize)]
pub enum ScheduledDetail {
    /// The one there is.
    #[serde(rename = "Scheduled Event")]
    ScheduledEvent,
}
