//! How a provider's books are read.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{Entity, Record};
use crate::{
    id::{Location, ProviderCompanyId, RecordId},
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

    /// The scope that reading this kind of object takes, where a grant of `granted` lacks it.
    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str>;

    /// The kinds of object that the provider's own lower-case word in webhooks may mean; none where it is not kept.
    fn entities(&self, word: &str) -> &'static [Entity];
}
