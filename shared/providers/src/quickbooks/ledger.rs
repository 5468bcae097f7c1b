//! QuickBooks books, read by query and by id.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    id::RecordId,
    provider::Provider,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record, Told},
};
use reqwest::Client;
use url::Url;

use super::{api::Api, entity::Kind, parse};
use crate::{
    http::{OBJECT_BODY_MAX, PAGE_BODY_MAX},
    ledger::{self, Limits, Trouble},
    scopes,
};

/// How long a page may take: a run reserves a minute for a page, and what is read must still be written.
const PAGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long one object may take: it is a lookup by key, and a queue of events waits behind it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);

/// How many objects are asked for at once: their ids make an address of a thousand characters, which every gateway takes.
const FETCH_CHUNK: usize = 50;
/// How many single objects are asked for side by side, of the ten requests that Intuit takes of one company.
const SIDE_BY_SIDE: usize = 4;

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

    /// One object, or none where Intuit says that there is none.
    async fn object(&self, call: LedgerCall<'_>, kind: Kind, id: &RecordId) -> Result<Vec<Record>, Trouble> {
        let url = self.api.url(call.company, &[&kind.word(), ledger::id_in_path(id)?]);
        let limits = Limits { timeout: FETCH_TIMEOUT, body: OBJECT_BODY_MAX };
        match self.api.get((call.token, call.gate), url, limits).await? {
            Ok(body) => Ok(parse::object(&body, kind, id)?.into_iter().collect()),
            Err(failure) if failure.says_missing() => Ok(Vec::new()),
            Err(failure) => Err(failure.about_one()),
        }
    }

    /// Those of several objects that a query finds.
    async fn several(
        &self,
        call: LedgerCall<'_>,
        kind: Kind,
        ids: &[&RecordId],
    ) -> Result<Vec<Record>, Trouble> {
        let body = self.query(call, &kind.statement_by_id(ids)).await?;
        let page = parse::page(&body, kind)?;
        Ok(page.records.into_iter().filter(|record| !record.deleted).collect())
    }

    /// Asks for objects by id until all are sorted into `fetched`.
    async fn gather(
        &self,
        call: LedgerCall<'_>,
        kind: Kind,
        ids: &[RecordId],
        fetched: &mut Fetched,
    ) -> Result<(), LedgerError> {
        for chunk in ids.chunks(FETCH_CHUNK) {
            let mut left: Vec<&RecordId> = chunk.iter().collect();
            if left.len() > 1 {
                let found = self.several(call, kind, &left).await;
                left = ledger::left_of(fetched, &left, found)?;
            }
            ledger::each(fetched, (left, SIDE_BY_SIDE), |id| self.object(call, kind, id)).await?;
        }
        Ok(())
    }

    async fn query(&self, call: LedgerCall<'_>, statement: &str) -> Result<Vec<u8>, Trouble> {
        let mut url = self.api.url(call.company, &["query"]);
        url.query_pairs_mut().append_pair("query", statement);
        let limits = Limits { timeout: PAGE_TIMEOUT, body: PAGE_BODY_MAX };
        let answer = self.api.get((call.token, call.gate), url, limits).await?;
        answer.map_err(|failure| LedgerError::from(failure).into())
    }
}

#[async_trait]
impl Ledger for QuickBooksLedger {
    async fn page(&self, call: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        let kind = Kind::of(query.entity);
        let body = self.query(call, &kind.statement(&query)).await?;
        Ok(parse::page(&body, kind)?)
    }

    async fn fetch(
        &self,
        call: LedgerCall<'_>,
        word: &str,
        ids: &[RecordId],
    ) -> Result<Fetched, LedgerError> {
        let kind = Kind::by_word(word).ok_or(LedgerError::Refused { status: 400 })?;
        let mut fetched = Fetched::default();
        let ended = ledger::in_time(self.gather(call, kind, ids, &mut fetched)).await;
        ledger::as_far_as_it_came(fetched, ended)
    }

    async fn miscounted(&self, _: LedgerCall<'_>, _: &[(Entity, u64)]) -> Result<Vec<Entity>, LedgerError> {
        Ok(Vec::new())
    }

    fn told(&self, _: Entity) -> Told {
        Told::Changes
    }

    fn word(&self, _: Entity) -> &'static str {
        "invoice"
    }

    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str> {
        scopes::missing(Provider::QuickBooks, entity, granted)
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        Kind::by_word(word).map_or(&[], |kind| kind.entities())
    }
}
