//! The providers' APIs, called for others: addresses below a company's root, headers, and what an answer means.

use async_trait::async_trait;
use domain::{
    id::Location,
    limits::Heard,
    provider::Provider,
    proxy::{Answered, ProxyAnswer, Upstream, UpstreamCall, UpstreamError},
    store::BoxError,
    sync::LedgerError,
};
use reqwest::{
    Client, Request, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, IF_MODIFIED_SINCE},
};
use thiserror::Error;
use url::Url;

use crate::{
    http::{self, BodyError},
    ledger,
    oauth::{self, Answer},
    quickbooks, xero,
    zoho::{self, DataCentres, UnknownLocation},
};

/// The longest answer that is passed on, in bytes. Lambda hands over six megabytes at most, among them the body in base64,
/// which makes four bytes of three.
pub const ANSWER_MAX: usize = 4_500_000;
/// What is asked for where the caller takes anything: Xero would answer in XML.
const JSON: &str = "application/json";
/// The headers of an answer that are passed on: the type of the body, and what the provider says of its limits.
const PASSED_ON: [&str; 9] = [
    "content-type",
    "retry-after",
    "x-appminlimit-remaining",
    "x-daylimit-remaining",
    "x-minlimit-remaining",
    "x-rate-limit-limit",
    "x-rate-limit-problem",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
];
/// An address that did not come out below its root; the checks of paths were to see to that.
#[derive(Clone, Copy, Debug, Error)]
#[error("the address is not below the company's root")]
struct Elsewhere;

/// Where the providers' data APIs are.
#[derive(Clone, Debug)]
pub struct ApiHosts {
    /// `QUICKBOOKS_API_BASE_URL`.
    pub quickbooks_api_base_url: Url,
    /// `XERO_API_BASE_URL`.
    pub xero_api_base_url: Url,
    /// `ZOHO_DATA_CENTRES`.
    pub zoho_data_centres: DataCentres,
}

impl ApiHosts {
    /// The host that has what a grant is for; none for a data center that is not known.
    #[must_use]
    pub fn of(&self, provider: Provider, location: Option<&Location>) -> Option<&Url> {
        match provider {
            Provider::QuickBooks => Some(&self.quickbooks_api_base_url),
            Provider::Xero => Some(&self.xero_api_base_url),
            Provider::Zoho => self.zoho_data_centres.of_grant(location).map(|centre| &centre.api_domain),
        }
    }
}

/// The three providers over HTTP.
#[derive(Clone, Debug)]
pub struct HttpUpstream {
    /// The bounded client, which follows no redirect.
    pub http: Client,
    /// Where they are.
    pub hosts: ApiHosts,
}

impl HttpUpstream {
    /// The address of a request, with its query.
    fn address(&self, call: UpstreamCall<'_>) -> Result<Url, BoxError> {
        let company = call.target.company.as_str();
        let base = self.hosts.of(call.target.provider, call.location).ok_or(UnknownLocation)?;
        let root = match call.target.provider {
            Provider::QuickBooks => vec!["v3", "company", company],
            Provider::Xero => vec!["api.xro", "2.0"],
            Provider::Zoho => vec!["books", "v3"],
        };
        let path: Vec<_> = root.iter().copied().chain(call.request.path.segments()).collect();
        let mut url = below(base, &root, &path)?;
        query(&mut url, call);
        Ok(url)
    }

    /// Sends a request and reads its answer to the end.
    async fn execute(&self, request: Request) -> Result<Answer, UpstreamError> {
        let response = self.http.execute(request).await.map_err(|error| {
            let carried_nothing = error.is_connect() || error.is_builder();
            let error = error.without_url().into();
            if carried_nothing { UpstreamError::Unreached(error) } else { UpstreamError::Unanswered(error) }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = http::read_bounded(response, ANSWER_MAX).await.map_err(|error| match error {
            BodyError::TooLong { limit } => UpstreamError::TooLarge { limit },
            BodyError::Cut(error) => UpstreamError::Unanswered(error.without_url().into()),
        })?;
        Ok(Answer { status, headers, body })
    }

    fn request(&self, call: UpstreamCall<'_>) -> Result<RequestBuilder, BoxError> {
        let method = call.request.method.as_str().parse::<reqwest::Method>()?;
        let request = self.http.request(method, self.address(call)?).timeout(call.time);
        let request = match call.target.provider {
            Provider::QuickBooks => request.bearer_auth(call.token.expose()),
            Provider::Xero => {
                let request = request.bearer_auth(call.token.expose());
                let request = request.header(xero::TENANT_HEADER, call.target.company.as_str());
                match call.request.key.as_ref().filter(|_| call.request.takes_key(Provider::Xero)) {
                    Some(key) => request.header("Idempotency-Key", key.as_str()),
                    None => request,
                }
            }
            Provider::Zoho => {
                request.header(reqwest::header::AUTHORIZATION, zoho::authorization(call.token)?)
            }
        };
        Ok(passed_on(request, call))
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn send(&self, call: UpstreamCall<'_>) -> Result<Answered, UpstreamError> {
        let provider = call.target.provider;
        let request = self.request(call).map_err(UpstreamError::Unreached)?;
        let request =
            request.build().map_err(|error| UpstreamError::Unreached(error.without_url().into()))?;
        let _pass = call.gate.pass(ledger::kind(request.method(), request.url().path())).await?;
        let answer = self.execute(request).await;
        call.gate.heard(heard(provider, &answer)).await;
        Ok(answered(provider, answer?))
    }
}

/// What the limits are told.
fn heard(provider: Provider, answer: &Result<Answer, UpstreamError>) -> Heard {
    match answer {
        Ok(answer) => ledger::heard_of(provider, (answer.status, &answer.headers), &answer.body),
        Err(UpstreamError::TooLarge { limit }) => Heard { bytes: *limit as u64, ..Heard::default() },
        Err(_) => Heard { failed: true, ..Heard::default() },
    }
}

/// An address whose path is `path`, checked once more to be below `root` on the provider's host.
fn below(base: &Url, root: &[&str], path: &[&str]) -> Result<Url, BoxError> {
    let root = oauth::segments_below(base, root);
    let url = oauth::segments_below(base, path);
    let is_below =
        url.path().strip_prefix(root.path()).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'));
    if is_below && url.origin() == root.origin() { Ok(url) } else { Err(Elsewhere.into()) }
}

/// Adds the caller's parameters, and those that are ours alone.
fn query(url: &mut Url, call: UpstreamCall<'_>) {
    let request = call.request;
    let has = |wanted: &str| request.query.iter().any(|(name, _)| name == wanted);
    let ours = match call.target.provider {
        Provider::QuickBooks => {
            let version =
                (!has("minorversion")).then(|| ("minorversion", quickbooks::MINOR_VERSION.to_owned()));
            let key = request.key.as_ref().filter(|_| request.takes_key(Provider::QuickBooks));
            vec![version, key.map(|key| ("requestid", key.as_str().to_owned()))]
        }
        Provider::Xero => vec![],
        Provider::Zoho => vec![Some(("organization_id", call.target.company.to_string()))],
    };
    let ours: Vec<_> = ours.into_iter().flatten().collect();
    if !(ours.is_empty() && request.query.is_empty()) {
        url.query_pairs_mut().extend_pairs(ours).extend_pairs(&request.query);
    }
}

/// Adds the headers and the body that are the caller's.
fn passed_on(request: RequestBuilder, call: UpstreamCall<'_>) -> RequestBuilder {
    let asked = call.request;
    let accept = asked.accept.as_deref().filter(|accept| *accept != "*/*").unwrap_or(JSON);
    let optional = [(CONTENT_TYPE, &asked.content_type), (IF_MODIFIED_SINCE, &asked.if_modified_since)];
    let request =
        optional.into_iter().fold(request.header(ACCEPT, accept), |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        });
    // A server that waits for a body is told that there is none.
    if asked.is_read() { request } else { request.body(asked.body.clone()) }
}

fn answered(provider: Provider, answer: Answer) -> Answered {
    let error = match provider {
        Provider::QuickBooks => quickbooks::meaning(&answer),
        Provider::Xero => xero::meaning(&answer),
        Provider::Zoho => zoho::meaning(&answer),
    };
    let headers = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(&answer.headers, name)?.to_owned())));
    Answered {
        token_refused: matches!(error, Some(LedgerError::Unauthorized)),
        answer: ProxyAnswer { status: answer.status.as_u16(), headers: headers.collect(), body: answer.body },
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
