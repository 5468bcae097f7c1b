//! QuickBooks books, read by query and by id.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    id::RecordId,
    provider::Provider,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record},
};
use reqwest::Client;
use url::Url;

use super::{
    api::{Answer, Api, Limits},
    entity::Kind,
    parse,
};
use crate::{
    http::{OBJECT_BODY_MAX, PAGE_BODY_MAX},
    scopes,
};

/// How long a page may take: a run reserves a minute for a page, and what is read must still be written.
const PAGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long one object may take: it is a lookup by key, and a queue of events waits behind it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// Intuit's books over HTTP.
pub struct QuickBooksLedger {
    api: Api,
}

impl QuickBooksLedger {
    /// Reads from the API at `api_base_url` over the bounded client.
    #[must_use]
    pub fn new(http: Client, api_base_url: Url) -> Self {
        Self { api: Api::new(http, api_base_url) }
    }

    async fn object(
        &self,
        call: LedgerCall<'_>,
        kind: Kind,
        id: &RecordId,
    ) -> Result<Option<Record>, LedgerError> {
        // No address can be made of dots alone; Intuit's ids are digits.
        if id.as_str().bytes().all(|byte| byte == b'.') {
            return Err(LedgerError::Refused { status: 400 });
        }
        let url = self.api.url(call.company, &[&kind.word(), id.as_str()])?;
        let limits = Limits { timeout: FETCH_TIMEOUT, body: OBJECT_BODY_MAX };
        match self.api.get(call.token, url, limits).await? {
            Answer::Failure(failure) if failure.says_missing() => Ok(None),
            answer => parse::object(&answer.body()?, kind, id),
        }
    }
}

#[async_trait]
impl Ledger for QuickBooksLedger {
    async fn page(&self, call: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        let kind = Kind::of(query.entity);
        let mut url = self.api.url(call.company, &["query"])?;
        url.query_pairs_mut().append_pair("query", &kind.statement(&query));
        let limits = Limits { timeout: PAGE_TIMEOUT, body: PAGE_BODY_MAX };
        let body = self.api.get(call.token, url, limits).await?.body()?;
        parse::page(&body, kind)
    }

    async fn fetch(
        &self,
        call: LedgerCall<'_>,
        word: &str,
        ids: &[RecordId],
    ) -> Result<Fetched, LedgerError> {
        let kind = Kind::by_word(word).ok_or(LedgerError::Refused { status: 400 })?;
        let mut fetched = Fetched::default();
        for id in ids {
            match self.object(call, kind, id).await? {
                Some(record) => fetched.records.push(record),
                None => fetched.missing.push(id.clone()),
            }
        }
        Ok(fetched)
    }

    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str> {
        scopes::missing(Provider::QuickBooks, entity, granted)
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        Kind::by_word(word).map_or(&[], |kind| kind.entities())
    }
}
