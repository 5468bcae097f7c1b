//! Running a job: page by page, each cursor moved only after its records are written.

use std::{cmp::Ordering, collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use super::{
    Entity, Lane, Ledger, LedgerError, LedgerPage, PageQuery, RecordPlace, RecordStore, SilenceWatch,
    SyncCursor, SyncJob, SyncMode, SyncQueue, WalkStore, books::Books, job::JobOrigin,
};
use crate::{
    access::{AccessError, AccessTokens},
    clock::Clock,
    connection::ConnectionStore,
    entropy::Entropy,
    error::ErrorCode,
    event::{Event, EventBus, EventKind, announce},
    id::{Ids, ProviderCompanyId},
    provider::Provider,
    refresh::policy::{earlier, later},
    store::StoreError,
};

/// What a page may need at most, from the request to the cursor; with less time left the job goes back on its lane.
const PAGE_TIME: Duration = Duration::from_mins(1);
/// An incremental run reads this much again, since providers' clocks and commits are not in one order.
const OVERLAP: Duration = Duration::from_mins(5);

/// Runs sync jobs.
pub struct SyncRunner {
    /// Access tokens.
    pub access: Arc<AccessTokens>,
    /// Connections and their companies.
    pub connections: Arc<dyn ConnectionStore>,
    /// The books of each provider that is configured.
    pub ledgers: HashMap<Provider, Arc<dyn Ledger>>,
    /// Records.
    pub records: Arc<dyn RecordStore>,
    /// How far walks came.
    pub walks: Arc<dyn WalkStore>,
    /// Where a job goes that needs more time.
    pub queue: Arc<dyn SyncQueue>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Told of what only a catch-up found.
    pub silence: SilenceWatch,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RunOutcome {
    /// The job is done.
    Completed {
        /// Records that were new or newer.
        written: u64,
    },
    /// Time ran out; the job is back on its lane.
    Continued {
        /// Records that were new or newer so far.
        written: u64,
    },
    /// The connection or company is gone: nothing to do.
    Gone,
    /// Newer jobs walk all of the same objects: nothing is left to do.
    Superseded,
}

/// Why a run did not end; the message comes again.
#[derive(Debug, Error)]
pub enum RunError {
    /// No access token could be had.
    #[error("no access token could be had")]
    Access(#[source] AccessError),
    /// The books could not be read.
    #[error("the books could not be read")]
    Ledger(#[from] LedgerError),
    /// The grant lacks a scope; what could be read without it was read.
    #[error("the connection lacks the scope {scope}, which reading {entity} takes")]
    ScopeMissing {
        /// What could not be read.
        entity: Entity,
        /// The scope.
        scope: &'static str,
    },
    /// A store did not answer.
    #[error("the records could not be written")]
    Store(#[from] StoreError),
}

impl RunError {
    /// The failure as a caller is told.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::ScopeMissing { .. } => ErrorCode::AuthProviderScopeMissing,
            Self::Access(AccessError::Expired) => ErrorCode::AuthTokenExpired,
            Self::Access(AccessError::Unseal(_)) => ErrorCode::SealOpenFailed,
            Self::Access(AccessError::Missing | AccessError::NotUsable(_)) => ErrorCode::ConnectionNotFound,
            Self::Access(AccessError::Store(_)) | Self::Store(_) => ErrorCode::StorageUnavailable,
            Self::Ledger(LedgerError::Throttled { .. } | LedgerError::Held(_)) => {
                ErrorCode::ProviderRateLimit
            }
            Self::Ledger(LedgerError::Unauthorized) => ErrorCode::AuthTokenInvalid,
            Self::Ledger(_) => ErrorCode::ProviderApiError,
        }
    }
}

/// How far a run came.
#[derive(Default)]
struct Walked {
    /// Records that were new or newer in this run.
    written: u64,
    /// The same over all runs of the job.
    in_all: u64,
    /// Those of `written` that a webhook should have told of.
    untold: u64,
    /// Whether any kind of object was this job's to walk.
    is_ours: bool,
    /// Why some of it could not be read, and cannot be if it comes again.
    unread: Option<RunError>,
}

/// A job with everything that its pages need.
struct Running<'a> {
    job: &'a SyncJob,
    place: RecordPlace,
    company: ProviderCompanyId,
    provider: Provider,
    scopes: Vec<String>,
    ledger: &'a dyn Ledger,
}

impl SyncRunner {
    /// Runs `job` until it is done or `deadline` is near.
    pub async fn run(&self, job: &SyncJob, lane: Lane, deadline: Timestamp) -> Result<RunOutcome, RunError> {
        let Some(running) = self.prepare(job).await? else {
            return Ok(RunOutcome::Gone);
        };
        let opened = Books::open(&self.access, &job.key, running.ledger, &running.company).await;
        let mut books = match opened {
            Ok(books) => books,
            Err(RunError::Access(AccessError::Missing | AccessError::NotUsable(_))) => {
                return Ok(RunOutcome::Gone);
            }
            Err(error) => return Err(error),
        };
        let mut walked = Walked::default();
        let ended = self.walk(&running, deadline, &mut books, &mut walked).await;
        let Walked { written, in_all, untold, is_ours, unread } = walked;
        if job.origin == Some(JobOrigin::CatchUp) && untold > 0 {
            self.silence.missed(&job.key, (running.provider, &running.company), untold).await;
        }
        if !matches!(ended, Ok(true)) || !is_ours {
            // Nobody who comes after finds these newer once more.
            self.announce(&running, EventKind::RecordsChanged, (written, None)).await;
        }
        if !ended? {
            self.queue.send(lane, std::slice::from_ref(job)).await?;
            return Ok(RunOutcome::Continued { written });
        }
        if !is_ours {
            return Ok(RunOutcome::Superseded);
        }
        // What a grant leaves out was told when it was first met; the catch-up would only say so again every day.
        let is_told = |error: &RunError| {
            job.origin == Some(JobOrigin::CatchUp) && matches!(error, RunError::ScopeMissing { .. })
        };
        let unread = unread.filter(|error| !is_told(error));
        let kind = if unread.is_some() { EventKind::SyncFailed } else { EventKind::SyncCompleted };
        self.announce(&running, kind, (in_all, unread.as_ref())).await;
        self.announce(&running, EventKind::RecordsChanged, (in_all, unread.as_ref())).await;
        unread.map_or(Ok(RunOutcome::Completed { written }), Err)
    }

    /// Walks over each kind of object that no newer job has walked over; false when time ran out.
    async fn walk(
        &self,
        running: &Running<'_>,
        deadline: Timestamp,
        books: &mut Books<'_>,
        walked: &mut Walked,
    ) -> Result<bool, RunError> {
        walked.is_ours = running.job.entities.is_empty();
        for &entity in &running.job.entities {
            if let Some(scope) = running.ledger.missing_scope(entity, &running.scopes) {
                walked.unread.get_or_insert(RunError::ScopeMissing { entity, scope });
                walked.is_ours = true;
                continue;
            }
            let Some((mut cursor, known)) = self.start(running, entity).await? else { continue };
            let told = known && SilenceWatch::is_told(running.provider, entity);
            let mut is_ours = true;
            while is_ours && cursor.completed_at.is_none() {
                if later(self.clock.now(), PAGE_TIME) > deadline {
                    return Ok(false);
                }
                let before = cursor.records;
                let page = self.page(running, entity, &mut cursor, books).await;
                let newer = cursor.records - before;
                walked.written += newer;
                walked.untold += if told { newer } else { 0 };
                is_ours = match page {
                    // A kind that the company's plan does not have, for example, keeps nobody from the others.
                    Err(error @ RunError::Ledger(LedgerError::Refused { .. })) => {
                        walked.unread = Some(error);
                        break;
                    }
                    page => page?,
                };
            }
            walked.is_ours |= is_ours;
            walked.in_all += cursor.records;
        }
        Ok(true)
    }

    async fn prepare<'a>(&'a self, job: &'a SyncJob) -> Result<Option<Running<'a>>, RunError> {
        let Some(connection) = self.connections.find(&job.key).await? else { return Ok(None) };
        let companies = self.connections.list_companies(&job.key).await?;
        let Some(company) = companies.into_iter().find(|company| company.id == job.company_id) else {
            return Ok(None);
        };
        let Some(ledger) = self.ledgers.get(&connection.provider) else { return Ok(None) };
        Ok(Some(Running {
            job,
            place: RecordPlace { tenant: job.key.tenant.clone(), company: job.company_id.clone() },
            company: company.provider_id,
            provider: connection.provider,
            scopes: connection.scopes,
            ledger: &**ledger,
        }))
    }

    /// Where this job begins with an entity: where it was, if it comes back; at the start or at the cursor, if it is new;
    /// nowhere, if a newer job walks the same objects: two that took turns would never come to an end. Which of the other
    /// entities the newer job walks, nobody knows here. Also whether a walk before this one came to its end, so that what
    /// this one finds is new since then.
    async fn start(
        &self,
        running: &Running<'_>,
        entity: Entity,
    ) -> Result<Option<(SyncCursor, bool)>, StoreError> {
        let found = self.walks.find_cursor(&running.place, entity).await?.unwrap_or_default();
        // Job ids are time-ordered.
        match found.job.as_ref().map(|job| job.cmp(&running.job.job_id)) {
            Some(Ordering::Greater) => return Ok(None),
            Some(Ordering::Equal) => return Ok(Some((found, false))),
            Some(Ordering::Less) | None => {}
        }
        let after = match running.job.mode {
            SyncMode::Full => None,
            SyncMode::Incremental => found.after.map(|after| earlier(after, OVERLAP)),
        };
        let cursor = SyncCursor { job: Some(running.job.job_id.clone()), after, ..SyncCursor::default() };
        Ok(Some((cursor, found.completed_at.is_some())))
    }

    /// Reads one page, writes its records, and only then moves the cursor; false when a newer job has taken it over.
    async fn page(
        &self,
        running: &Running<'_>,
        entity: Entity,
        cursor: &mut SyncCursor,
        books: &mut Books<'_>,
    ) -> Result<bool, RunError> {
        let query = PageQuery { entity, after: cursor.after, skip: cursor.skip };
        let page = books.page(query).await?;
        let write_id = Ids::new(&*self.clock, &*self.entropy).write();
        let written = self.records.put_if_newer(&running.place, &page.records, &write_id).await?;
        if page.unreadable > 0 {
            tracing::warn!(
                unreadable = page.unreadable,
                entity = entity.as_str(),
                "Objects could not be read"
            );
        }
        *cursor = advance(cursor, &page, written, self.clock.now());
        Ok(self.walks.save_cursor(&running.place, entity, cursor).await?)
    }

    async fn announce(
        &self,
        running: &Running<'_>,
        kind: EventKind,
        (records, failure): (u64, Option<&RunError>),
    ) {
        if kind == EventKind::RecordsChanged && records == 0 {
            return;
        }
        let mut event = Event::new(kind, &running.job.key, running.provider, self.clock.now());
        event.company_id = Some(running.job.company_id.clone());
        event.records = Some(records);
        event.error_code = failure.map(|failure| failure.code().name().to_owned());
        announce(&*self.bus, &event).await;
    }
}

/// The cursor after a page: on to the last moment on it, or further within that moment when the page never left it.
fn advance(cursor: &SyncCursor, page: &LedgerPage, written: u64, now: Timestamp) -> SyncCursor {
    let seen = page.records.len() as u64 + page.unreadable + page.passed_over;
    let newest = page.newest;
    let moved = newest.is_some() && newest > cursor.after;
    SyncCursor {
        job: cursor.job.clone(),
        after: if moved { newest } else { cursor.after },
        skip: if moved { 0 } else { cursor.skip + seen },
        records: cursor.records + written,
        completed_at: (!page.more).then_some(now),
        walk: cursor.walk.clone(),
        whole_at: cursor.whole_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Record;

    fn page(times: &[i64], more: bool) -> LedgerPage {
        let record = |second: &i64| Record {
            entity: Entity::Invoices,
            id: "1".parse().unwrap(),
            updated_at: Timestamp::from_second(*second).unwrap(),
            version: 0,
            deleted: false,
            document_number: None,
            total: None,
            currency: None,
            counterparty: None,
            status: None,
            raw: "{}".to_owned(),
            digest: None,
        };
        let records: Vec<_> = times.iter().map(record).collect();
        let newest = records.iter().map(|record| record.updated_at).max();
        LedgerPage { records, newest, more, ..LedgerPage::default() }
    }

    #[test]
    fn a_page_moves_the_cursor_to_its_last_moment() {
        let next = advance(&SyncCursor::default(), &page(&[1, 2, 2], true), 3, Timestamp::UNIX_EPOCH);

        assert_eq!((next.after, next.skip, next.completed_at), (Timestamp::from_second(2).ok(), 0, None));
    }

    #[test]
    fn a_page_that_never_leaves_its_moment_is_skipped_within_it() {
        let at_two = SyncCursor { after: Timestamp::from_second(2).ok(), ..SyncCursor::default() };

        let next = advance(&at_two, &page(&[2, 2], true), 0, Timestamp::UNIX_EPOCH);

        assert_eq!((next.after, next.skip), (at_two.after, 2));
    }

    #[test]
    fn the_last_page_completes_the_walk_even_when_it_is_empty() {
        let next = advance(&SyncCursor::default(), &page(&[], false), 0, Timestamp::UNIX_EPOCH);

        assert_eq!(next.completed_at, Some(Timestamp::UNIX_EPOCH));
    }
}
