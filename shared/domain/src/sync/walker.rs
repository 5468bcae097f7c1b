//! One run's walk over a company's books: every kind of object that its job names, page by page.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Entity, Holder, JobRecord, Kept, LedgerError, LedgerPage, PageQuery, RecordPlace, RunError, SeenIds,
    SilenceWatch, SyncCursor, SyncJob, SyncRunner, Walk,
    begin::{self, Begin, Facts},
    books::Books,
    run::LEASE,
};
use crate::{entropy, id::Ids, provider::Provider, refresh::policy::later, store::chain};

/// What a page may need at most, from the request to the cursor; with less time left the job goes back on its lane.
pub(super) const PAGE_TIME: Duration = Duration::from_mins(1);
/// So often a page is asked for again at once where the provider stumbles; then the job comes again later.
const TRIES: u32 = 2;
/// The first wait before that, doubled for the next, with up to as much again by chance.
const TRY_WAIT_MS: u64 = 1_000;

/// Why a walk stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The time is over.
    TimeUp,
    /// A job of a higher lane waits for the company.
    Wanted,
    /// The lease on the company ended, and another may hold it.
    Lost,
    /// It failed.
    Failed(RunError),
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How far a run came.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Records that were new or newer in this run.
    pub(super) written: u64,
    /// The same over all runs of the job.
    pub(super) in_all: u64,
    /// Those of `written` that a webhook should have told of.
    pub(super) untold: u64,
    /// Whether any kind of object was this job's to walk.
    pub(super) is_ours: bool,
    /// Why some of it could not be read, and cannot be if it comes again.
    pub(super) unread: Option<RunError>,
}

/// One kind of object on a walk.
pub(super) struct Track {
    pub(super) entity: Entity,
    pub(super) cursor: SyncCursor,
    /// When the walk before it began, if it came to its end.
    pub(super) known: Option<Timestamp>,
    /// Whether it is still this job's: no newer one walks it, and the provider gives it.
    pub(super) is_ours: bool,
    /// What the walk over everything saw, once that is known.
    pub(super) seen: Option<SeenIds>,
}

impl Track {
    fn is_open(&self) -> bool {
        self.is_ours && self.cursor.completed_at.is_none()
    }

    pub(super) fn is_to_count(&self) -> bool {
        self.is_open() && self.cursor.walk == Walk::Count
    }
}

/// A walk over one company's books.
pub(super) struct Walker<'a> {
    pub(super) runner: &'a SyncRunner,
    pub(super) job: &'a SyncJob,
    pub(super) provider: Provider,
    pub(super) books: Books<'a>,
    pub(super) place: &'a RecordPlace,
    holder: &'a Holder,
    deadline: Timestamp,
    record: &'a mut JobRecord,
    pub(super) walked: Walked,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        runner: &'a SyncRunner,
        (record, job): (&'a mut JobRecord, &'a SyncJob),
        (provider, books): (Provider, Books<'a>),
        (place, holder, deadline): (&'a RecordPlace, &'a Holder, Timestamp),
    ) -> Self {
        let walked = Walked::default();
        Self { runner, job, provider, books, place, holder, deadline, record, walked }
    }

    /// Walks over each kind of object that no newer job has walked over.
    pub(super) async fn walk(&mut self) -> Result<(), Stop> {
        let mut tracks = self.begin().await?;
        let ended = self.walk_over(&mut tracks).await;
        self.walked.is_ours |= tracks.iter().any(|track| track.is_ours);
        self.walked.in_all = tracks.iter().map(|track| track.cursor.records).sum();
        ended
    }

    async fn walk_over(&mut self, tracks: &mut [Track]) -> Result<(), Stop> {
        self.read_feed(tracks).await?;
        for track in tracks.iter_mut() {
            self.read(track).await?;
        }
        self.count(tracks).await?;
        for track in tracks.iter_mut() {
            self.read(track).await?;
        }
        Ok(())
    }

    /// Where each kind begins; those that the grant leaves out, and those that a newer job walks, are left out.
    async fn begin(&mut self) -> Result<Vec<Track>, Stop> {
        let mut tracks = Vec::with_capacity(self.job.entities.len());
        self.walked.is_ours = self.job.entities.is_empty();
        let ledger = self.books.ledger;
        for &entity in &self.job.entities {
            if let Some(scope) = ledger.missing_scope(entity, self.books.scopes()) {
                self.walked.unread.get_or_insert(RunError::ScopeMissing { entity, scope });
                self.walked.is_ours = true;
                continue;
            }
            let found = self.runner.walks.find_cursor(self.place, entity).await?;
            let facts = Facts { told: ledger.told(entity), whole_every: ledger.whole_every() };
            if let Some(Begin { cursor, known }) = begin::begin(self.job, found, facts, self.now()) {
                tracks.push(Track { entity, cursor, known, is_ours: true, seen: None });
            }
        }
        Ok(tracks)
    }

    /// Reads a kind to the end of its walk, or until it is to be counted.
    async fn read(&mut self, track: &mut Track) -> Result<(), Stop> {
        while track.is_open() && track.cursor.walk != Walk::Count {
            self.pause().await?;
            let step = match track.cursor.walk {
                Walk::Sweep { .. } => self.sweep(track).await,
                _ => self.page(track).await,
            };
            match step {
                // A kind that the company's plan does not have, for example, keeps nobody from the others.
                Err(Stop::Failed(error @ RunError::Ledger(LedgerError::Refused { .. }))) => {
                    self.walked.unread = Some(error);
                    return Ok(());
                }
                step => step?,
            }
        }
        Ok(())
    }

    /// Where a walk may stop: before each page.
    pub(super) async fn pause(&mut self) -> Result<(), Stop> {
        if later(self.now(), PAGE_TIME) > self.deadline {
            return Err(Stop::TimeUp);
        }
        let until = later(self.now(), LEASE);
        match self.runner.leases.keep(self.place, self.holder, until).await? {
            Kept::Mine => Ok(()),
            Kept::Wanted => Err(Stop::Wanted),
            Kept::Lost => Err(Stop::Lost),
        }
    }

    /// Reads one page, writes its records, and only then moves the cursor.
    async fn page(&mut self, track: &mut Track) -> Result<(), Stop> {
        let SyncCursor { after, skip, .. } = track.cursor;
        let page = self.patiently(PageQuery { entity: track.entity, after, skip }).await?;
        if let Walk::Whole { name, pages } = &track.cursor.walk {
            let ids: Vec<_> = page.records.iter().map(|record| record.id.clone()).collect();
            let of_walk = (track.entity, name);
            self.runner.walks.note_seen(self.place, of_walk, *pages, &ids).await?;
        }
        let newer = self.runner.records.put_if_newer(self.place, &page.records, &self.write_id()).await?;
        self.wrote(track, newer);
        if page.unreadable > 0 {
            let entity = track.entity.as_str();
            tracing::warn!(unreadable = page.unreadable, entity, "Objects could not be read");
        }
        let progress = self.record.progress.0.entry(track.entity).or_default();
        progress.pages += 1;
        progress.read += page.records.len() as u64 + page.unreadable;
        progress.total = page.total.or(progress.total);
        let cursor = advance(&track.cursor, &page);
        let told = self.books.ledger.told(track.entity);
        let cursor = if page.more { cursor } else { at_the_end(cursor, self.job, told, self.now()) };
        self.save(track, cursor).await
    }

    /// Reads a page, and again where the provider stumbles and there is time.
    async fn patiently(&mut self, query: PageQuery) -> Result<LedgerPage, Stop> {
        let mut tries = 0;
        loop {
            let page = self.books.page(query).await;
            let stumbled = matches!(page, Err(RunError::Ledger(LedgerError::Unavailable(_))));
            if !stumbled || tries == TRIES {
                return Ok(page?);
            }
            let wait_ms = TRY_WAIT_MS << tries;
            let by_chance_ms = entropy::up_to(&*self.runner.entropy, wait_ms);
            self.runner.clock.sleep(Duration::from_millis(wait_ms + by_chance_ms)).await;
            self.pause().await?;
            tries += 1;
        }
    }

    /// Counts records that were new or newer.
    pub(super) fn wrote(&mut self, track: &mut Track, newer: u64) {
        let is_told = track.known.is_some() && SilenceWatch::is_told(self.provider, track.entity);
        self.walked.written += newer;
        self.walked.untold += if is_told { newer } else { 0 };
        track.cursor.records += newer;
        self.record.progress.0.entry(track.entity).or_default().written += newer;
    }

    /// Moves the cursor of a kind; from then on it is not this job's if a newer one has taken it over.
    pub(super) async fn save(&mut self, track: &mut Track, cursor: SyncCursor) -> Result<(), Stop> {
        track.cursor = SyncCursor { records: track.cursor.records, ..cursor };
        track.is_ours = self.runner.walks.save_cursor(self.place, track.entity, &track.cursor).await?;
        let progress = self.record.progress.0.entry(track.entity).or_default();
        progress.done = track.cursor.completed_at.is_some();
        // It came further: what it failed of before is over.
        self.record.failures = 0;
        if let Err(error) = self.runner.jobs.save(self.record).await {
            tracing::warn!(error = chain(&error), "Progress of the job is not noted");
        }
        Ok(())
    }

    pub(super) fn write_id(&self) -> String {
        Ids::new(&*self.runner.clock, &*self.runner.entropy).write()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.runner.clock.now()
    }
}

/// The cursor after a page: on to the last moment on it, or further within that moment when the page never left it.
fn advance(cursor: &SyncCursor, page: &LedgerPage) -> SyncCursor {
    let seen = page.records.len() as u64 + page.unreadable + page.passed_over;
    let newest = page.newest;
    let moved = newest.is_some() && newest > cursor.after;
    let walk = match cursor.walk.clone() {
        Walk::Whole { name, pages } => Walk::Whole { name, pages: pages + 1 },
        walk => walk,
    };
    SyncCursor {
        after: if moved { newest } else { cursor.after },
        skip: if moved { 0 } else { cursor.skip + seen },
        walk,
        ..cursor.clone()
    }
}

/// The cursor behind the last page.
fn at_the_end(cursor: SyncCursor, job: &SyncJob, told: super::Told, now: Timestamp) -> SyncCursor {
    match cursor.walk.clone() {
        Walk::Whole { name, pages } => {
            SyncCursor { walk: Walk::Sweep { name, pages, from: None }, skip: 0, ..cursor }
        }
        _ => begin::behind_changes(cursor, job, told, now),
    }
}
