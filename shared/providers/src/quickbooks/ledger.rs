//! QuickBooks books, read by query and by id.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    id::RecordId,
    provider::Provider,
    sync::{Changes, Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record, Told},
};
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use reqwest::Client;
use url::Url;

use super::{
    api::Api,
    counts,
    entity::{Kind, PAGE_SIZE, SMALL_PAGE_SIZE},
    feed, parse,
};
use crate::{
    http::{OBJECT_BODY_MAX, PAGE_BODY_MAX},
    ledger::{self, Limits, Trouble},
    scopes,
};

/// How long a page may take: a run reserves a minute for a page, and what is read must still be written.
const PAGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a small page may take, which follows one that was too long, within the same minute.
const SMALL_PAGE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one object may take: it is a lookup by key, and a queue of events waits behind it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an answer about what changed may take, and the counts of all kinds.
const FEED_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the questions about single kinds may take together, of the minute that is left of the one about all of them and
/// of writing what came.
const SPLIT_TIME: Duration = Duration::from_secs(25);
/// How far back changes are asked for: a day less than Intuit's 30, which nobody may miss by an hour.
const CHANGES_REACH: Duration = Duration::from_hours(29 * 24);

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
        let url = self.api.url(call.company, &[kind.word, ledger::id_in_path(id)?]);
        let limits = Limits { timeout: FETCH_TIMEOUT, body: OBJECT_BODY_MAX };
        match self.api.get((call.token, Some(call.gate)), url, limits).await? {
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
        let body = self.query(call, &kind.statement_by_id(ids), PAGE_TIMEOUT).await?;
        let page = parse::page(&body, kind, PAGE_SIZE)?;
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

    /// What changed in these kinds, as much of it as one answer tells.
    async fn feed(
        &self,
        call: LedgerCall<'_>,
        kinds: &[Kind],
        since: Timestamp,
    ) -> Result<Changes, LedgerError> {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        let mut url = self.api.url(call.company, &["cdc"]);
        url.query_pairs_mut()
            .append_pair("entities", &names.join(","))
            .append_pair("changedSince", &ledger::well_before(since).to_string());
        let limits = Limits { timeout: FEED_TIMEOUT, body: PAGE_BODY_MAX };
        let told = match self.api.get((call.token, Some(call.gate)), url, limits).await {
            Ok(Ok(body)) => feed::changes(&body, kinds),
            Ok(Err(failure)) => Err(LedgerError::from(failure).into()),
            Err(trouble) => Err(trouble),
        };
        match told {
            // An answer that is too long, or a kind that the company's plan has no more, keeps nobody from the others: what
            // is not told of a kind is found by its pages and its count.
            Err(Trouble::Own(error)) => {
                tracing::warn!(%error, kinds = names.join(","), "QuickBooks does not tell what changed");
                Ok(Changes::default())
            }
            told => Ok(told?),
        }
    }

    /// Asks for each kind alone, of which all together had more changes than one answer holds; those of which the answer
    /// does not come in time stay as they are.
    async fn split(
        &self,
        call: LedgerCall<'_>,
        (kinds, since): (&[Kind], Timestamp),
        changes: &mut Changes,
    ) -> Result<(), LedgerError> {
        let asked: Vec<_> = kinds.chunks(1).map(|kind| self.feed(call, kind, since)).collect();
        let mut answers = stream::iter(kinds).zip(stream::iter(asked).buffered(SIDE_BY_SIDE));
        let gathering = async {
            while let Some((kind, alone)) = answers.next().await {
                let alone = alone?;
                changes.records.retain(|record| record.entity != kind.entity);
                changes.deleted.retain(|(entity, ..)| *entity != kind.entity);
                changes.records.extend(alone.records);
                changes.deleted.extend(alone.deleted);
                changes.unreadable += alone.unreadable;
                changes.complete.extend(alone.complete);
            }
            Ok(())
        };
        tokio::time::timeout(SPLIT_TIME, gathering).await.unwrap_or(Ok(()))
    }

    async fn query(
        &self,
        call: LedgerCall<'_>,
        statement: &str,
        timeout: Duration,
    ) -> Result<Vec<u8>, Trouble> {
        let mut url = self.api.url(call.company, &["query"]);
        url.query_pairs_mut().append_pair("query", statement);
        let limits = Limits { timeout, body: PAGE_BODY_MAX };
        let answer = self.api.get((call.token, Some(call.gate)), url, limits).await?;
        answer.map_err(|failure| LedgerError::from(failure).into())
    }
}

#[async_trait]
impl Ledger for QuickBooksLedger {
    async fn page(&self, call: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        let kind = Kind::of(query.entity);
        let mut size = PAGE_SIZE;
        let mut body = self.query(call, &kind.statement(&query, size), PAGE_TIMEOUT).await;
        if body.as_ref().is_err_and(ledger::is_too_long) {
            // Documents of hundreds of lines; to give up would leave out the kind, and all that follow it, for good.
            size = SMALL_PAGE_SIZE;
            body = self.query(call, &kind.statement(&query, size), SMALL_PAGE_TIMEOUT).await;
        }
        Ok(parse::page(&body?, kind, size)?)
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

    fn changes_reach(&self) -> Option<Duration> {
        Some(CHANGES_REACH)
    }

    async fn changes(
        &self,
        call: LedgerCall<'_>,
        entities: &[Entity],
        since: Timestamp,
    ) -> Result<Changes, LedgerError> {
        let kinds: Vec<Kind> = entities.iter().copied().map(Kind::of).collect();
        if kinds.is_empty() {
            return Ok(Changes::default());
        }
        let mut changes = self.feed(call, &kinds, since).await?;
        if changes.complete.is_empty() && kinds.len() > 1 {
            // What could not be read is counted again with its kind.
            changes.unreadable = 0;
            self.split(call, (&kinds, since), &mut changes).await?;
        }
        Ok(changes)
    }

    async fn miscounted(
        &self,
        call: LedgerCall<'_>,
        expected: &[(Entity, u64)],
    ) -> Result<Vec<Entity>, LedgerError> {
        if expected.is_empty() {
            return Ok(Vec::new());
        }
        let question = counts::question(expected.iter().map(|&(entity, _)| Kind::of(entity)))?;
        let url = self.api.url(call.company, &["batch"]);
        let limits = Limits { timeout: FEED_TIMEOUT, body: OBJECT_BODY_MAX };
        let body = self.api.post((call.token, Some(call.gate)), (url, question), limits).await??;
        Ok(counts::miscounted(&body, expected)?)
    }

    fn told(&self, _: Entity) -> Told {
        Told::Changes
    }

    fn word(&self, entity: Entity) -> &'static str {
        Kind::of(entity).word
    }

    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str> {
        scopes::missing(Provider::QuickBooks, entity, granted)
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        Kind::by_word(word).map_or(&[], |kind| kind.entities())
    }
}
