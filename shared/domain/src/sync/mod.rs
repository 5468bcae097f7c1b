//! Sync: a copy of the books, complete and incremental.

mod books;
mod catch_up;
mod consume;
mod job;
mod ledger;
mod record;
mod run;
mod silence;
mod store;

pub use catch_up::{CatchUp, CatchUpMark, CaughtUp};
pub use consume::{Consumed, DEFAULT_MAX_AGE, EVENT_RECEIVES, EventConsumer, Heard, Incoming, Next};
pub use job::{
    JOB_VERSION, JobOrigin, Lane, LaneMessage, SyncJob, SyncJobError, SyncMode, SyncQueue, start_first,
};
pub use ledger::{Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery};
pub use record::{Entity, Record, RecordPlace, UnknownEntity};
pub use run::{RunError, RunOutcome, SyncRunner};
pub use silence::SilenceWatch;
pub use store::{RecordPage, RecordStore, SyncCursor};
