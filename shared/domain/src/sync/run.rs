//! Running a job: one company's books, kind by kind, each cursor moved only after the records it stands for are written.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;

use super::{
    CompanyLeases, Entity, Holder, JobLog, JobOrigin, JobRecord, Lane, Ledger, LedgerError, RecordPlace,
    RecordStore, SilenceWatch, SyncQueue, Taken, WalkStore,
    books::Books,
    walker::{Stop, Walked, Walker},
};
use crate::{
    access::{AccessError, AccessTokens},
    clock::Clock,
    connection::ConnectionStore,
    entropy::Entropy,
    error::ErrorCode,
    event::{Event, EventBus, EventKind, announce},
    id::{Ids, ProviderCompanyId},
    limits::{Caller, Limits, Purpose},
    provider::Provider,
    refresh::policy::later,
    store::{StoreError, chain},
    tenant::{Halted, TenantStore, halted},
};

/// How long a company is held, kept longer before each page: longer than a page may take, and little longer, since the
/// company of a worker that died waits for its end.
pub(super) const LEASE: Duration = Duration::from_secs(75);
/// How long a job leaves a company alone for which one of a higher lane waits: that one looks again within this time.
const YIELD: Duration = Duration::from_secs(10);
/// How soon a job of the high lane looks whether its company is free again: whoever holds it yields after its page.
const LOOK_HIGH: Duration = Duration::from_secs(2);
/// How soon any other looks.
const LOOK: Duration = Duration::from_secs(20);

/// Runs sync jobs.
pub struct SyncRunner {
    /// Tenants, for some of whom nothing is done.
    pub tenants: Arc<dyn TenantStore>,
    /// Access tokens.
    pub access: Arc<AccessTokens>,
    /// Connections and their companies.
    pub connections: Arc<dyn ConnectionStore>,
    /// The books of each provider that is configured.
    pub ledgers: HashMap<Provider, Arc<dyn Ledger>>,
    /// The providers' limits.
    pub limits: Arc<Limits>,
    /// Records.
    pub records: Arc<dyn RecordStore>,
    /// How far walks came.
    pub walks: Arc<dyn WalkStore>,
    /// One job a company at a time.
    pub leases: Arc<dyn CompanyLeases>,
    /// What became of jobs.
    pub jobs: Arc<dyn JobLog>,
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
    /// Another job has the company, or is to have it: the job comes again at a time, and that counts as no failure.
    Waits {
        /// That time.
        until: Timestamp,
        /// Records that were new or newer so far.
        written: u64,
    },
    /// The connection or company is gone: nothing to do.
    Gone,
    /// Nothing is done for its tenant at present.
    Halted(Halted),
    /// Newer jobs walk all of the same objects: nothing is left to do.
    Superseded,
}

impl RunOutcome {
    /// Records that were new or newer.
    #[must_use]
    pub fn written(self) -> u64 {
        match self {
            Self::Completed { written } | Self::Continued { written } | Self::Waits { written, .. } => {
                written
            }
            Self::Gone | Self::Halted(_) | Self::Superseded => 0,
        }
    }
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

    /// What happened, in words for whoever may see the job; what our own table and key say, which names roles and accounts,
    /// is for the log alone.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Store(_) | Self::Access(AccessError::Store(_) | AccessError::Unseal(_)) => self.to_string(),
            Self::Access(_) | Self::Ledger(_) | Self::ScopeMissing { .. } => chain(self),
        }
    }

    /// Whether it would be the same if the job came again.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::ScopeMissing { .. } | Self::Ledger(LedgerError::Refused { .. } | LedgerError::Forbidden)
        )
    }
}

/// The company that a job is about, as its connection knows it.
struct Subject<'a> {
    provider: Provider,
    company: ProviderCompanyId,
    ledger: &'a dyn Ledger,
}

impl SyncRunner {
    /// Runs a job until it is done or `deadline` is near, and keeps its record up to date meanwhile.
    pub async fn run(&self, record: &mut JobRecord, deadline: Timestamp) -> Result<RunOutcome, RunError> {
        if let Some(halted) = halted(&*self.tenants, &record.job.key.tenant).await? {
            return Ok(RunOutcome::Halted(halted));
        }
        let Some(subject) = self.subject(record).await? else { return Ok(RunOutcome::Gone) };
        let (place, lane) = (place_of(record), record.lane);
        let holder = Holder { name: Ids::new(&*self.clock, &*self.entropy).write(), lane };
        let now = self.clock.now();
        let until = later(now, LEASE);
        if let Taken::Busy { until } = self.leases.take(&place, &holder, (now, until)).await? {
            let look = later(now, if lane == Lane::High { LOOK_HIGH } else { LOOK });
            return Ok(RunOutcome::Waits { until: until.min(look), written: 0 });
        }
        let ended = self.hold(record, &subject, (&place, &holder, deadline)).await;
        if let Err(error) = self.leases.release(&place, &holder).await {
            tracing::warn!(error = chain(&error), "Company is given back by time only");
        }
        ended
    }

    /// Walks over the books while the company is held.
    async fn hold(
        &self,
        record: &mut JobRecord,
        subject: &Subject<'_>,
        (place, holder, deadline): (&RecordPlace, &Holder, Timestamp),
    ) -> Result<RunOutcome, RunError> {
        let job = record.job.clone();
        let gate = self.limits.gate(Caller {
            tenant: job.key.tenant.clone(),
            provider: subject.provider,
            company: subject.company.clone(),
            purpose: if record.lane == Lane::High { Purpose::Interactive } else { Purpose::Background },
        });
        let opened = Books::open(&self.access, &job.key, subject.ledger, (&subject.company, &gate)).await;
        let books = match opened {
            Ok(books) => books,
            Err(RunError::Access(AccessError::Missing | AccessError::NotUsable(_))) => {
                return Ok(RunOutcome::Gone);
            }
            Err(error) => return Err(error),
        };
        let mut walker =
            Walker::new(self, (record, &job), (subject.provider, books), (place, holder, deadline));
        let ended = walker.walk().await;
        gate.close().await;
        let done = walker.walked;
        self.conclude(record, subject, done, ended).await
    }

    /// Tells what a walk did, and what is to become of its job.
    async fn conclude(
        &self,
        record: &JobRecord,
        subject: &Subject<'_>,
        walked: Walked,
        ended: Result<(), Stop>,
    ) -> Result<RunOutcome, RunError> {
        let Walked { written, in_all, untold, is_ours, unread } = walked;
        let job = &record.job;
        let is_catch_up = job.origin == Some(JobOrigin::CatchUp);
        if is_catch_up && untold > 0 {
            self.silence.missed(&job.key, (subject.provider, &subject.company), untold).await;
        }
        if ended.is_err() || !is_ours {
            // Nobody who comes after finds these newer once more.
            self.announce(record, subject.provider, EventKind::RecordsChanged, (written, None)).await;
        }
        match ended {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::TimeUp) => {
                self.queue.send(record.lane, std::slice::from_ref(job)).await?;
                return Ok(RunOutcome::Continued { written });
            }
            Err(Stop::Wanted | Stop::Lost) => {
                return Ok(RunOutcome::Waits { until: later(self.clock.now(), YIELD), written });
            }
        }
        if !is_ours {
            return Ok(RunOutcome::Superseded);
        }
        // What a grant leaves out was told when it was first met; the catch-up would only say so again every day.
        let unread = unread.filter(|error| !(is_catch_up && matches!(error, RunError::ScopeMissing { .. })));
        self.announce(record, subject.provider, EventKind::RecordsChanged, (in_all, unread.as_ref())).await;
        if let Some(error) = unread {
            return Err(error);
        }
        self.announce(record, subject.provider, EventKind::SyncCompleted, (in_all, None)).await;
        Ok(RunOutcome::Completed { written })
    }

    async fn subject<'a>(&'a self, record: &JobRecord) -> Result<Option<Subject<'a>>, StoreError> {
        let job = &record.job;
        let Some(connection) = self.connections.find(&job.key).await? else { return Ok(None) };
        let companies = self.connections.list_companies(&job.key).await?;
        let Some(company) = companies.into_iter().find(|company| company.id == job.company_id) else {
            return Ok(None);
        };
        let ledger = self.ledgers.get(&connection.provider);
        Ok(ledger.map(|ledger| Subject {
            provider: connection.provider,
            company: company.provider_id,
            ledger: &**ledger,
        }))
    }

    /// Tells on the bus what became of a job.
    pub(super) async fn announce(
        &self,
        record: &JobRecord,
        provider: Provider,
        kind: EventKind,
        (records, failure): (u64, Option<&RunError>),
    ) {
        if kind == EventKind::RecordsChanged && records == 0 {
            return;
        }
        let mut event = Event::new(kind, &record.job.key, provider, self.clock.now());
        event.company_id = Some(record.job.company_id.clone());
        event.records = Some(records);
        event.error_code = failure.map(|failure| failure.code().name().to_owned());
        announce(&*self.bus, &event).await;
    }
}

fn place_of(record: &JobRecord) -> RecordPlace {
    RecordPlace { tenant: record.job.key.tenant.clone(), company: record.job.company_id.clone() }
}
