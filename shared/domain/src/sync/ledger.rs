//! How a provider's books are read.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use super::{Entity, Record};
use crate::{
    id::{ProviderCompanyId, RecordId},
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

/// One page, in the order of change.
#[derive(Clone, Debug, Default)]
pub struct LedgerPage {
    /// The objects that could be read.
    pub records: Vec<Record>,
    /// Objects on the page that could not be read; they are counted and left out.
    pub unreadable: u64,
    /// Whether there may be more.
    pub more: bool,
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

    /// Reads one object; none when the provider no longer has it.
    async fn fetch(
        &self,
        call: LedgerCall<'_>,
        entity: Entity,
        id: &RecordId,
    ) -> Result<Option<Record>, LedgerError>;

    /// The scope that reading this kind of object takes, where a grant of `granted` lacks it.
    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str>;

    /// The kind of object that the provider's own lower-case word in webhooks means, where it is one we keep.
    fn entity(&self, word: &str) -> Option<Entity>;
}
