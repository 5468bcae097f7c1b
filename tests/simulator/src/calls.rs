//! The call log: every request that a provider received, without any secret, and counts over them.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    guarded::Guarded,
    issued::fingerprint,
    provider::{Endpoint, Presented, Provider},
};

/// Calls kept in full; counts go on beyond it.
const MAX_KEPT: usize = 100_000;

/// The newest calls, among which those that run are looked for.
const MAX_RUNNING: usize = 1_000;

/// The log of calls.
#[derive(Debug, Default)]
pub(crate) struct CallLog(Guarded<Log>);

#[derive(Debug, Default)]
struct Log {
    next: u64,
    calls: VecDeque<Call>,
    in_flight: BTreeMap<String, Flights>,
}

/// How many refreshes with one refresh token ran at once.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flights {
    now: u32,
    max: u32,
    total: u32,
}

/// One request to a provider.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    sequence: u64,
    at: Timestamp,
    provider: Provider,
    endpoint: Endpoint,
    method: String,
    path: String,
    /// Only for data calls: their query strings carry no secrets.
    query: Option<String>,
    grant_type: Option<String>,
    token_fingerprint: Option<String>,
    company: Option<String>,
    /// The status sent; absent while running and when the connection was cut instead.
    status: Option<u16>,
    fault: Option<&'static str>,
    finished: bool,
}

/// What the request line says.
pub(crate) struct Line<'a> {
    pub(crate) provider: Provider,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
}

/// Which calls a reader wants.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CallFilter {
    provider: Option<Provider>,
    endpoint: Option<Endpoint>,
    grant_type: Option<String>,
    company: Option<String>,
    token_fingerprint: Option<String>,
    path_contains: Option<String>,
    since: Option<u64>,
}

/// Counts over the calls that a filter lets through.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    total: usize,
    by_endpoint: BTreeMap<String, usize>,
    by_status: BTreeMap<String, usize>,
    by_grant_type: BTreeMap<String, usize>,
    refresh_tokens: BTreeMap<String, Flights>,
    max_in_flight: u32,
}

/// A call that has begun; it must be finished with what was answered.
#[derive(Clone, Debug)]
pub(crate) struct BegunCall {
    sequence: u64,
    refresh_token: Option<String>,
}

impl CallLog {
    /// Notes that a request arrived.
    pub(crate) fn begin(&self, at: Timestamp, line: &Line<'_>, presented: &Presented) -> BegunCall {
        let token_fingerprint = presented.token.as_deref().map(fingerprint);
        let refresh_token =
            token_fingerprint.clone().filter(|_| presented.grant_type.as_deref() == Some("refresh_token"));
        let mut log = self.0.lock();
        log.next += 1;
        let sequence = log.next;
        if let Some(token) = &refresh_token {
            log.in_flight.entry(token.clone()).or_default().take_off();
        }
        if log.calls.len() >= MAX_KEPT {
            log.calls.pop_front();
        }
        log.calls.push_back(Call {
            sequence,
            at,
            provider: line.provider,
            endpoint: presented.endpoint,
            method: line.method.to_owned(),
            path: line.path.to_owned(),
            query: line.query.filter(|_| presented.endpoint == Endpoint::Api).map(str::to_owned),
            grant_type: presented.grant_type.clone(),
            token_fingerprint,
            company: presented.company.clone(),
            status: None,
            fault: None,
            finished: false,
        });
        BegunCall { sequence, refresh_token }
    }

    /// Notes what a request was answered.
    pub(crate) fn finish(&self, begun: &BegunCall, status: Option<u16>, fault: Option<&'static str>) {
        let mut log = self.0.lock();
        if let Some(flights) = begun.refresh_token.as_ref().and_then(|token| log.in_flight.get_mut(token)) {
            flights.now = flights.now.saturating_sub(1);
        }
        // The newest calls are at the back, so the search is short.
        if let Some(call) = log.calls.iter_mut().rev().find(|call| call.sequence == begun.sequence) {
            call.status = status;
            call.fault = fault;
            call.finished = true;
        }
    }

    /// Returns the calls that a filter lets through, oldest first.
    pub(crate) fn list(&self, filter: &CallFilter) -> Vec<Call> {
        self.0.lock().calls.iter().filter(|call| filter.admits(call)).cloned().collect()
    }

    /// Counts the calls about a company that are not answered yet.
    pub(crate) fn running(&self, provider: Provider, company: &str) -> usize {
        let is_running = |call: &&Call| {
            !call.finished && call.provider == provider && call.company.as_deref() == Some(company)
        };
        self.0.lock().calls.iter().rev().take(MAX_RUNNING).filter(is_running).count()
    }

    /// Counts the calls that a filter lets through.
    pub(crate) fn counts(&self, filter: &CallFilter) -> Counts {
        let log = self.0.lock();
        let mut counts = Counts::default();
        for call in log.calls.iter().filter(|call| filter.admits(call)) {
            counts.add(call);
        }
        counts.refresh_tokens = log.in_flight.clone();
        counts.max_in_flight = log.in_flight.values().map(|flights| flights.max).max().unwrap_or(0);
        counts
    }

    pub(crate) fn reset(&self) {
        let mut log = self.0.lock();
        log.calls.clear();
        log.in_flight.clear();
    }
}

impl Flights {
    fn take_off(&mut self) {
        self.now += 1;
        self.total += 1;
        self.max = self.max.max(self.now);
    }
}

impl CallFilter {
    fn admits(&self, call: &Call) -> bool {
        fn agrees<T: PartialEq>(wanted: Option<&T>, is: Option<&T>) -> bool {
            wanted.is_none_or(|wanted| is == Some(wanted))
        }
        agrees(self.provider.as_ref(), Some(&call.provider))
            && agrees(self.endpoint.as_ref(), Some(&call.endpoint))
            && agrees(self.grant_type.as_ref(), call.grant_type.as_ref())
            && agrees(self.company.as_ref(), call.company.as_ref())
            && agrees(self.token_fingerprint.as_ref(), call.token_fingerprint.as_ref())
            && self.path_contains.as_deref().is_none_or(|part| call.path.contains(part))
            && self.since.is_none_or(|since| call.sequence > since)
    }
}

impl Counts {
    fn add(&mut self, call: &Call) {
        self.total += 1;
        let status = call.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        *self.by_status.entry(status).or_default() += 1;
        *self.by_endpoint.entry(format!("{:?}", call.endpoint).to_lowercase()).or_default() += 1;
        if let Some(grant_type) = &call.grant_type {
            *self.by_grant_type.entry(grant_type.clone()).or_default() += 1;
        }
    }
}
