//! Sync: a copy of the books, complete and incremental.

mod begin;
mod books;
mod catch_up;
mod consume;
mod desk;
mod job;
mod lease;
mod ledger;
mod log;
mod orders;
mod reconcile;
mod record;
mod run;
mod silence;
mod store;
mod walk;
mod walker;

pub use catch_up::{CatchUp, CatchUpMark, CaughtUp};
pub use consume::{Consumed, DEFAULT_MAX_AGE, EVENT_RECEIVES, EventConsumer, Heard, Incoming, Next};
pub use job::{JOB_VERSION, JobOrigin, Lane, LaneMessage, SyncJob, SyncJobError, SyncMode, SyncQueue};
pub use lease::{CompanyLeases, Holder, Kept, Taken};
pub use ledger::{Changes, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Told};
pub use log::{
    EntityProgress, JobCounts, JobError, JobLog, JobProgress, JobRecord, JobState, Operation,
    UnknownOperation,
};
pub use orders::JobOrders;
pub use record::{Entity, Record, RecordPlace, UnknownEntity, digest};
pub use run::{RunError, RunOutcome, SyncRunner};
pub use silence::SilenceWatch;
pub use store::{BooksErasure, PAGE_CONTENT, RecordPage, RecordStore};
pub use walk::{IdPage, SeenIds, SyncCursor, Walk, WalkStore};
