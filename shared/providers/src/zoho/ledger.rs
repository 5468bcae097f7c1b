//! Zoho's books: some kinds read by time of change, the others from end to end, all by id.

use std::time::Duration;

use async_trait::async_trait;
use domain::{
    id::RecordId,
    provider::Provider,
    sync::{Entity, Fetched, Ledger, LedgerCall, LedgerError, LedgerPage, PageQuery, Record, Told},
};
use jiff::Timestamp;
use reqwest::{Client, header::AUTHORIZATION};

use super::{
    DataCentres, UnknownLocation, authorization, fault,
    parse::{self, PAGE_SIZE},
    resource::{Resource, contact_type},
};
use crate::{
    http::{OBJECT_BODY_MAX, PAGE_BODY_MAX},
    ledger::{self, Limits, Trouble},
    oauth::Answer,
    scopes,
};

/// How long a page may take: a run reserves a minute for a page, which may take two requests, and what is read must still
/// be written.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one object may take: it is a lookup by key, and a queue of events waits behind it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a page may take that is only counted: the three of them come side by side.
const COUNT_TIMEOUT: Duration = Duration::from_secs(15);
/// How many objects are asked for side by side, of the five requests that Zoho takes of an organization without a plan.
const SIDE_BY_SIDE: usize = 4;
/// The column of the time of change.
const CHANGED: &str = "last_modified_time";

/// Zoho's books over HTTP.
pub struct ZohoLedger {
    http: Client,
    data_centres: DataCentres,
}

/// In which order a list is walked through.
#[derive(Clone, Copy)]
enum Order {
    /// By time of change, from a moment on where there is one.
    Changed(Option<Timestamp>),
    /// By what stays as it is.
    Stable,
}

impl ZohoLedger {
    /// Reads at `data_centres` over the bounded client.
    #[must_use]
    pub fn new(http: Client, data_centres: DataCentres) -> Self {
        Self { http, data_centres }
    }

    async fn list(
        &self,
        call: LedgerCall<'_>,
        query: PageQuery,
        order: Order,
    ) -> Result<LedgerPage, LedgerError> {
        let resource = Resource::of(query.entity);
        let (page, rest) = ledger::numbered(query.skip, PAGE_SIZE);
        let (page, size) = (page.to_string(), PAGE_SIZE.to_string());
        let mut parameters = vec![("page", &*page), ("per_page", &*size), ("sort_order", "A")];
        let since;
        match order {
            Order::Changed(after) => {
                parameters.push(("sort_column", CHANGED));
                if let Some(after) = after {
                    since = ledger::well_before(after).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string();
                    parameters.push((CHANGED, &since));
                }
            }
            Order::Stable => parameters.push(("sort_column", resource.stable)),
        }
        parameters.extend(contact_type(query.entity).map(|kind| ("contact_type", kind)));
        let limits = Limits { timeout: PAGE_TIMEOUT, body: PAGE_BODY_MAX };
        let answer = self.get(call, (&[resource.path], &parameters), limits).await?;
        if !fault::is_success(&answer) {
            return Err(fault::error(&answer));
        }
        let mut page = parse::page(&answer.body, query.entity, rest)?;
        if let Order::Changed(_) = order {
            page.newest = ledger::newest_in_order(&page.records);
        }
        Ok(page)
    }

    /// One object, or none where Zoho says that there is none.
    async fn object(
        &self,
        call: LedgerCall<'_>,
        resource: &Resource,
        id: &RecordId,
    ) -> Result<Vec<Record>, Trouble> {
        let path = [resource.path, ledger::id_in_path(id)?];
        let limits = Limits { timeout: FETCH_TIMEOUT, body: OBJECT_BODY_MAX };
        let answer = self.get(call, (&path, &[]), limits).await?;
        if fault::is_success(&answer) {
            return Ok(vec![parse::object(&answer.body, resource, id)?]);
        }
        if fault::says_missing(&answer) {
            return Ok(Vec::new());
        }
        Err(ledger::about_one(answer.status, fault::error(&answer)))
    }

    /// Whether there are as many objects of a kind as expected: the page on which the last of them should be is the last,
    /// and has no more on it.
    async fn is_as_many(&self, call: LedgerCall<'_>, entity: Entity, expected: u64) -> Result<bool, Trouble> {
        let resource = Resource::of(entity);
        let page = expected.div_ceil(PAGE_SIZE).max(1);
        let (number, size) = (page.to_string(), PAGE_SIZE.to_string());
        let parameters = [("page", &*number), ("per_page", &*size)];
        let limits = Limits { timeout: COUNT_TIMEOUT, body: PAGE_BODY_MAX };
        let answer = self.get(call, (&[resource.path], &parameters), limits).await?;
        if !fault::is_success(&answer) {
            return Err(fault::error(&answer).into());
        }
        let (rows, has_more) = parse::count(&answer.body, resource)?;
        Ok(!has_more && rows == expected - (page - 1) * PAGE_SIZE)
    }

    async fn get(
        &self,
        call: LedgerCall<'_>,
        (path, parameters): (&[&str], &[(&str, &str)]),
        limits: Limits,
    ) -> Result<Answer, Trouble> {
        let unavailable = |source| Trouble::Common(LedgerError::Unavailable(source));
        let centre = self.data_centres.of_grant(call.location);
        let centre = centre.ok_or_else(|| unavailable(UnknownLocation.into()))?;
        let token = authorization(call.token).map_err(|error| unavailable(error.into()))?;
        let mut url = centre.api(&[&["books", "v3"], path].concat());
        url.query_pairs_mut().append_pair("organization_id", call.company.as_str()).extend_pairs(parameters);
        let request = self.http.get(url).header(AUTHORIZATION, token);
        ledger::ask((Some(call.gate), fault::limited), request, limits).await
    }
}

#[async_trait]
impl Ledger for ZohoLedger {
    async fn page(&self, call: LedgerCall<'_>, query: PageQuery) -> Result<LedgerPage, LedgerError> {
        if !Resource::of(query.entity).is_filtered_by_time {
            return self.list(call, query, Order::Stable).await;
        }
        let page = self.list(call, query, Order::Changed(query.after)).await?;
        // A walk asks from the moment of an object that it saw. Where not even that is found, the time was not taken for
        // the beginning that it is meant to be, as some organizations report of it, or the object is gone: then the list is
        // gone through from end to end, lest all that follows is taken for unchanged.
        let is_from =
            |after| page.records.iter().any(|record| ledger::to_the_second(record.updated_at) >= after);
        match query.after.map(ledger::to_the_second) {
            Some(after) if !is_from(after) => self.list(call, query, Order::Stable).await,
            _ => Ok(page),
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
        let ids = ids.iter().collect();
        let one = |id| self.object(call, resource, id);
        let ended = ledger::in_time(ledger::each(&mut fetched, (ids, SIDE_BY_SIDE), one)).await;
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
        if Resource::of(entity).is_filtered_by_time { Told::Changes } else { Told::Nothing }
    }

    fn word(&self, entity: Entity) -> &'static str {
        let words = Resource::of(entity).words;
        words.first().copied().unwrap_or_default()
    }

    fn missing_scope(&self, entity: Entity, granted: &[String]) -> Option<&'static str> {
        scopes::missing(Provider::Zoho, entity, granted)
    }

    fn entities(&self, word: &str) -> &'static [Entity] {
        Resource::by_word(word).map_or(&[], |resource| resource.entities)
    }
}
