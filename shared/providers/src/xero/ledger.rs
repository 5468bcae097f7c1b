//! Xero's books, read by time of change and by id.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    id::RecordId,
    provider::Provider,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record, Told},
};
use reqwest::{Client, StatusCode, header::IF_MODIFIED_SINCE};
use url::Url;

use super::{
    fault,
    parse::{self, PAGE_SIZE},
    resource::{Resource, filter, filter_of_count},
};
use crate::{
    http::{OBJECT_BODY_MAX, PAGE_BODY_MAX},
    ledger::{self, Limits, Trouble},
    oauth::{self, Answer},
    scopes,
};

/// How long a page may take: a run reserves a minute for a page, and what is read must still be written.
const PAGE_TIMEOUT: Duration = Duration::from_secs(40);
/// How long one object may take: it is a lookup by key, and a queue of events waits behind it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a count may take: seven of them, three side by side, fit into a minute.
const COUNT_TIMEOUT: Duration = Duration::from_secs(15);
/// How often everything is read whole: Xero does not touch the time of change when a balance changes, a flag of a contact,
/// or the due date of a document that was paid in part.
const WHOLE_EVERY: Duration = Duration::from_hours(7 * 24);
/// How many objects are asked for at once: their ids make an address of two thousand characters, which every gateway takes.
const FETCH_CHUNK: usize = 50;
/// How many single objects are asked for side by side, of the five requests that Xero takes of one organization.
const SIDE_BY_SIDE: usize = 3;
/// The header that names the organization.
pub(crate) const TENANT_HEADER: &str = "xero-tenant-id";

/// Xero's books over HTTP.
pub struct XeroLedger {
    http: Client,
    api_base_url: Url,
}

impl XeroLedger {
    /// Reads from the API at `api_base_url` over the bounded client.
    #[must_use]
    pub fn new(http: Client, api_base_url: Url) -> Self {
        Self { http, api_base_url }
    }

    /// One object, or none where Xero says that there is none.
    async fn object(
        &self,
        call: LedgerCall<'_>,
        resource: &Resource,
        id: &RecordId,
    ) -> Result<Vec<Record>, Trouble> {
        let url = self.url(&[resource.name, ledger::id_in_path(id)?]);
        let limits = Limits { timeout: FETCH_TIMEOUT, body: OBJECT_BODY_MAX };
        let answer = self.get(call, (url, None), limits).await?;
        if answer.status.is_success() {
            return parse::object(&answer.body, resource, id);
        }
        if fault::says_missing(&answer) {
            return Ok(Vec::new());
        }
        Err(ledger::about_one(answer.status, fault::error(&answer)))
    }

    /// Those of several objects that a list finds; a page, since a list without pages leaves out their lines.
    async fn several(
        &self,
        call: LedgerCall<'_>,
        resource: &Resource,
        ids: &[&RecordId],
    ) -> Result<Vec<Record>, Trouble> {
        let mut url = self.url(&[resource.name]);
        let ids: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        url.query_pairs_mut().append_pair("IDs", &ids.join(","));
        paged(&mut url, (1, PAGE_SIZE));
        archived(&mut url, resource);
        let limits = Limits { timeout: PAGE_TIMEOUT, body: PAGE_BODY_MAX };
        let answer = self.get(call, (url, None), limits).await?;
        if !answer.status.is_success() {
            return Err(fault::error(&answer).into());
        }
        parse::found(&answer.body, resource)
    }

    /// Asks for objects by id until all are sorted into `fetched`.
    async fn gather(
        &self,
        call: LedgerCall<'_>,
        resource: &Resource,
        ids: &[RecordId],
        fetched: &mut Fetched,
    ) -> Result<(), LedgerError> {
        for chunk in ids.chunks(FETCH_CHUNK) {
            let mut left: Vec<&RecordId> = chunk.iter().collect();
            if resource.takes_ids && left.len() > 1 {
                let found = self.several(call, resource, &left).await;
                left = ledger::left_of(fetched, &left, found)?;
            }
            ledger::each(fetched, (left, SIDE_BY_SIDE), |id| self.object(call, resource, id)).await?;
        }
        Ok(())
    }

    /// Whether there are as many objects of a kind as expected, asked for with the smallest of pages.
    async fn is_as_many(&self, call: LedgerCall<'_>, entity: Entity, expected: u64) -> Result<bool, Trouble> {
        let resource = Resource::of(entity);
        let mut url = self.url(&[resource.name]);
        filtered(&mut url, filter_of_count(entity));
        paged(&mut url, (1, 1));
        archived(&mut url, resource);
        let limits = Limits { timeout: COUNT_TIMEOUT, body: OBJECT_BODY_MAX };
        let answer = self.get(call, (url, None), limits).await?;
        if !answer.status.is_success() {
            return Err(fault::error(&answer).into());
        }
        Ok(parse::count(&answer.body, resource)? == expected)
    }

    fn url(&self, path: &[&str]) -> Url {
        oauth::segments_below(&self.api_base_url, &[&["api.xro", "2.0"], path].concat())
    }

    /// Asks once, perhaps only for what changed since a moment.
    async fn get(
        &self,
        call: LedgerCall<'_>,
        (url, since): (Url, Option<String>),
        limits: Limits,
    ) -> Result<Answer, Trouble> {
        let request = self.http.get(url).bearer_auth(call.token.expose());
        let request = request.header(TENANT_HEADER, call.company.as_str());
        let request = match since {
            Some(since) => request.header(IF_MODIFIED_SINCE, since),
            None => request,
        };
        ledger::ask((Some(call.gate), fault::limited), request, limits).await
    }
}

#[async_trait]
impl Ledger for XeroLedger {
    async fn page(&self, call: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        let resource = Resource::of(query.entity);
        let mut url = self.url(&[resource.name]);
        // What comes without pages comes whole, so that what is gone is missed.
        let after = query.after.filter(|_| resource.is_paged);
        let mut skip = 0;
        filtered(&mut url, filter(query.entity));
        if resource.is_paged {
            let (page, rest) = ledger::numbered(query.skip, PAGE_SIZE);
            url.query_pairs_mut().append_pair("order", "UpdatedDateUTC ASC");
            paged(&mut url, (page, PAGE_SIZE));
            skip = rest;
        }
        archived(&mut url, resource);
        let since = after.map(|after| ledger::well_before(after).strftime("%Y-%m-%dT%H:%M:%S").to_string());
        let limits = Limits { timeout: PAGE_TIMEOUT, body: PAGE_BODY_MAX };
        let answer = self.get(call, (url, since), limits).await?;
        match answer.status {
            status if status.is_success() => {
                let page = parse::page(&answer.body, query.entity, skip)?;
                // Since a moment it is not the number of all.
                Ok(LedgerPage { total: page.total.filter(|_| after.is_none()), ..page })
            }
            // What HTTP answers to a question since when, if there is nothing.
            StatusCode::NOT_MODIFIED if after.is_some() => Ok(LedgerPage::default()),
            _ => Err(fault::error(&answer)),
        }
    }

    async fn fetch(
        &self,
        call: LedgerCall<'_>,
        word: &str,
        ids: &[RecordId],
    ) -> Result<Fetched, LedgerError> {
        let resource = Resource::by_word(word).ok_or(LedgerError::Refused { status: 400 })?;
        let mut fetched = Fetched::default();
        let ended = ledger::in_time(self.gather(call, resource, ids, &mut fetched)).await;
        ledger::as_far_as_it_came(fetched, ended)
    }

    async fn miscounted(
        &self,
        call: LedgerCall<'_>,
        expected: &[(Entity, u64)],
    ) -> Result<Vec<Entity>, LedgerError> {
        let is_as_many = |entity, count| self.is_as_many(call, entity, count);
        ledger::miscounted(self, (expected, SIDE_BY_SIDE), is_as_many).await
    }

    fn told(&self, entity: Entity) -> Told {
        if Resource::of(entity).is_paged { Told::All } else { Told::Nothing }
    }

    fn whole_every(&self) -> Option<Duration> {
        Some(WHOLE_EVERY)
    }

    fn word(&self, entity: Entity) -> &'static str {
        Resource::of(entity).word
    }

    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str> {
        scopes::missing(Provider::Xero, entity, granted)
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        Resource::by_word(word).map_or(&[], |resource| resource.entities)
    }
}

fn filtered(url: &mut Url, filter: Option<String>) {
    if let Some(filter) = filter {
        url.query_pairs_mut().append_pair("where", &filter);
    }
}

fn paged(url: &mut Url, (page, size): (u64, u64)) {
    url.query_pairs_mut().append_pair("page", &page.to_string()).append_pair("pageSize", &size.to_string());
}

fn archived(url: &mut Url, resource: &Resource) {
    if resource.hides_archived {
        url.query_pairs_mut().append_pair("includeArchived", "true");
    }
}
