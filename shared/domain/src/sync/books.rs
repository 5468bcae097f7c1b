//! The books of one company as its connection reads them: with a token that is replaced once where the provider refuses it.

use super::{Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, RunError};
use crate::{
    access::{Access, AccessTokens},
    connection::ConnectionKey,
    id::{ProviderCompanyId, RecordId},
};

/// One company's books.
pub(super) struct Books<'a> {
    pub(super) ledger: &'a dyn Ledger,
    tokens: &'a AccessTokens,
    key: &'a ConnectionKey,
    company: &'a ProviderCompanyId,
    access: Access,
}

impl<'a> Books<'a> {
    /// Gets a token for the books of `company`.
    pub(super) async fn open(
        tokens: &'a AccessTokens,
        key: &'a ConnectionKey,
        ledger: &'a dyn Ledger,
        company: &'a ProviderCompanyId,
    ) -> Result<Self, RunError> {
        let access = tokens.access_token(key).await.map_err(RunError::Access)?;
        Ok(Self { ledger, tokens, key, company, access })
    }

    /// Reads one page.
    pub(super) async fn page(&mut self, query: PageQuery) -> Result<LedgerPage, RunError> {
        match self.ledger.page(self.call(), query).await {
            Err(LedgerError::Unauthorized) => {
                self.replace().await?;
                Ok(self.ledger.page(self.call(), query).await?)
            }
            page => Ok(page?),
        }
    }

    /// Reads objects by id.
    pub(super) async fn fetch(&mut self, word: &str, ids: &[RecordId]) -> Result<Fetched, RunError> {
        match self.ledger.fetch(self.call(), word, ids).await {
            Err(LedgerError::Unauthorized) => {
                self.replace().await?;
                Ok(self.ledger.fetch(self.call(), word, ids).await?)
            }
            fetched => Ok(fetched?),
        }
    }

    /// Whether the grant leaves out everything that `word` may mean.
    pub(super) fn leaves_out(&self, word: &str) -> bool {
        let is_left_out = |&entity| self.ledger.missing_scope(entity, &self.access.scopes).is_some();
        self.ledger.entities(word).iter().all(is_left_out)
    }

    fn call(&self) -> LedgerCall<'_> {
        let Access { token, location, .. } = &self.access;
        LedgerCall { token, company: self.company, location: location.as_ref(), gate: None }
    }

    async fn replace(&mut self) -> Result<(), RunError> {
        let replaced = self.tokens.replacement(self.key, &self.access.token).await;
        self.access.token = replaced.map_err(RunError::Access)?;
        Ok(())
    }
}
