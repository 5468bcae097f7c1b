//! The books of one company as its connection reads them: with a token that is replaced once where the provider refuses it.

use jiff::Timestamp;

use super::{Changes, Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, RunError};
use crate::{
    access::{Access, AccessTokens},
    connection::ConnectionKey,
    id::{ProviderCompanyId, RecordId},
    limits::Gate,
};

/// One company's books.
pub(super) struct Books<'a> {
    pub(super) ledger: &'a dyn Ledger,
    tokens: &'a AccessTokens,
    key: &'a ConnectionKey,
    company: &'a ProviderCompanyId,
    gate: &'a Gate,
    access: Access,
}

/// Asks the ledger, and once more with another token where it does not accept the one at hand.
macro_rules! asked {
    ($books:ident.$method:ident($($argument:expr),*)) => {
        match $books.ledger.$method($books.call(), $($argument),*).await {
            Err(LedgerError::Unauthorized) => {
                $books.replace().await?;
                Ok($books.ledger.$method($books.call(), $($argument),*).await?)
            }
            answer => Ok(answer?),
        }
    };
}

impl<'a> Books<'a> {
    /// Gets a token for the books of `company`, to which `gate` is the way.
    pub(super) async fn open(
        tokens: &'a AccessTokens,
        key: &'a ConnectionKey,
        ledger: &'a dyn Ledger,
        (company, gate): (&'a ProviderCompanyId, &'a Gate),
    ) -> Result<Self, RunError> {
        let access = tokens.access_token(key).await.map_err(RunError::Access)?;
        Ok(Self { ledger, tokens, key, company, gate, access })
    }

    /// Reads one page.
    pub(super) async fn page(&mut self, query: PageQuery) -> Result<LedgerPage, RunError> {
        asked!(self.page(query))
    }

    /// Reads what changed.
    pub(super) async fn changes(
        &mut self,
        entities: &[Entity],
        since: Timestamp,
    ) -> Result<Changes, RunError> {
        asked!(self.changes(entities, since))
    }

    /// Tells which kinds the provider has another number of.
    pub(super) async fn miscounted(&mut self, expected: &[(Entity, u64)]) -> Result<Vec<Entity>, RunError> {
        asked!(self.miscounted(expected))
    }

    /// Reads objects by id.
    pub(super) async fn fetch(&mut self, word: &str, ids: &[RecordId]) -> Result<Fetched, RunError> {
        asked!(self.fetch(word, ids))
    }

    /// What the grant allows.
    pub(super) fn scopes(&self) -> &[String] {
        &self.access.scopes
    }

    /// Whether the grant leaves out everything that `word` may mean.
    pub(super) fn leaves_out(&self, word: &str) -> bool {
        let is_left_out = |&entity| self.ledger.missing_scope(entity, &self.access.scopes).is_some();
        self.ledger.entities(word).iter().all(is_left_out)
    }

    fn call(&self) -> LedgerCall<'_> {
        let Access { token, location, .. } = &self.access;
        LedgerCall { token, company: self.company, location: location.as_ref(), gate: self.gate }
    }

    async fn replace(&mut self) -> Result<(), RunError> {
        let replaced = self.tokens.replacement(self.key, &self.access.token).await;
        self.access.token = replaced.map_err(RunError::Access)?;
        Ok(())
    }
}
