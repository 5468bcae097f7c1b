//! How a provider's books are read.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{Entity, Record};
use crate::{
    id::{Location, ProviderCompanyId, RecordId},
    limits::{Gate, Held},
    secret::AccessToken,
    store::BoxError,
};

/// Whose books, and by what right.
#[derive(Clone, Copy, Debug)]
pub struct LedgerCall<'a> {
    /// A valid access token.
    pub token: &'a AccessToken,
    /// The company by the provider's id.
    pub company: &'a ProviderCompanyId,
    /// The data center that holds the grant, where the provider has several.
    pub location: Option<&'a Location>,
    /// The way there, which every request takes.
    pub gate: &'a Gate,
}

/// Which page.
#[derive(Clone, Copy, Debug)]
pub struct PageQuery {
    /// The kind of object.
    pub entity: Entity,
    /// Only objects changed at or after this moment.
    pub after: Option<Timestamp>,
    /// How many of the first of those to leave out.
    pub skip: u64,
}

/// One page.
#[derive(Clone, Debug, Default)]
pub struct LedgerPage {
    /// The objects that could be read.
    pub records: Vec<Record>,
    /// Objects on the page that could not be read; they are counted and left out.
    pub unreadable: u64,
    /// Objects on the page that are of another kind.
    pub passed_over: u64,
    /// The newest time of change on the page, where the provider gives pages in the order of change and from a time on;
    /// none where a walk can only count on.
    pub newest: Option<Timestamp>,
    /// Whether there may be more.
    pub more: bool,
    /// How many objects of the kind there are in all, where the provider says it with a page.
    pub total: Option<u64>,
}

/// What changed in the books since a moment, deletions included.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The objects that changed, as they are now.
    pub records: Vec<Record>,
    /// The objects that were deleted, and when.
    pub deleted: Vec<(Entity, RecordId, Timestamp)>,
    /// Objects that could not be read; they are counted and left out.
    pub unreadable: u64,
    /// The kinds of which that is all: a provider that tells only so much at once leaves out the rest, deletions first.
    pub complete: Vec<Entity>,
}

/// How much a walk over what changed since a moment tells of a kind of object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// Changes and deletions.
    All,
    /// Changes; what is gone is only missed by counting.
    Changes,
    /// Nothing: every walk reads the kind whole.
    Nothing,
}

/// What came of asking for objects by id; each id is in one of the first three, or in `records` for each entity it is of,
/// unless it was stopped.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The objects as they are now.
    pub records: Vec<Record>,
    /// Objects that the provider says it does not have.
    pub missing: Vec<RecordId>,
    /// Objects that could not be had, though others could or might.
    pub failed: Vec<(RecordId, LedgerError)>,
    /// What ended it before it came to the ids that are in none of these; all of them would meet it.
    pub stopped: Option<LedgerError>,
}

/// Why the books could not be read.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The access token is not accepted.
    #[error("the provider does not accept the access token")]
    Unauthorized,
    /// The connection has no right to this company any more.
    #[error("the provider forbids access to the company")]
    Forbidden,
    /// The provider asks for patience.
    #[error("the provider throttles")]
    Throttled {
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider refuses the request itself; trying again will not help.
    #[error("the provider refuses the request with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The provider failed or could not be reached.
    #[error("the provider could not be read")]
    Unavailable(#[source] BoxError),
    /// Nothing was asked, since the limits leave nothing for now.
    #[error("the provider is not asked")]
    Held(#[from] Held),
}

/// A provider's books.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Reads one page.
    async fn page(&self, call: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError>;

    /// Reads objects by id, with as few requests as the provider allows; an error is one that all of them would meet. What
    /// came before a throttle or an outage is given, lest more objects than a limit has requests are asked for in vain.
    ///
    /// `word` is the provider's own for their kind, one of those that [`entities`](Self::entities) knows.
    async fn fetch(&self, call: LedgerCall<'_>, word: &str, ids: &[RecordId])
    -> Result<Fetched, LedgerError>;

    /// How far back [`changes`](Self::changes) tells of changes; none where the provider has no such thing.
    fn changes_reach(&self) -> Option<Duration> {
        None
    }

    /// What changed since a moment in these kinds of object, as much of it as the provider tells at once.
    async fn changes(
        &self,
        _call: LedgerCall<'_>,
        _entities: &[Entity],
        _since: Timestamp,
    ) -> Result<Changes, LedgerError> {
        Ok(Changes::default())
    }

    /// Those of these kinds of which the provider does not have as many objects as expected, deleted ones left out.
    async fn miscounted(
        &self,
        call: LedgerCall<'_>,
        expected: &[(Entity, u64)],
    ) -> Result<Vec<Entity>, LedgerError>;

    /// How much pages since a moment tell of this kind.
    fn told(&self, entity: Entity) -> Told;

    /// How often every kind is to be read whole, since pages since a moment leave out some changes; none where they do not.
    fn whole_every(&self) -> Option<Duration> {
        None
    }

    /// The provider's own word for this kind, as [`fetch`](Self::fetch) takes it.
    fn word(&self, entity: Entity) -> &'static str;

    /// The scope that reading this kind of object takes, where a grant of `granted` lacks it.
    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str>;

    /// The kinds of object that the provider's own lower-case word in webhooks may mean; none where it is not kept.
    fn entities(&self, word: &str) -> &'static [Entity];
}
