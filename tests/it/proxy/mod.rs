//! The proxy as a product's backend calls it: what reaches the provider, what comes back, and what never does.

mod flights;
mod provider;
mod refusals;
mod writes;

use std::sync::Arc;

use domain::{
    api_key::Role,
    connection::ConnectionKey,
    id::{ProviderCompanyId, TenantId},
    provider::Provider as Name,
    proxy::Proxy,
};
use lambda_http::{
    Body, Request, RequestExt as _,
    http::{HeaderMap, StatusCode},
};
use providers::{
    http,
    proxy::{ApiHosts, HttpUpstream},
    zoho::DataCentres,
};
use serde_json::{Value, json};
use tests::sample;

use self::provider::{Provider, Script};
use crate::{api_world::ApiWorld, events, world::World};

const REALM: &str = "4620816365";

/// A tenant with one connection before a scripted provider, and the API for its key.
struct Called {
    world: World,
    tenant: TenantId,
    key: ConnectionKey,
    provider: Provider,
    api: ApiWorld,
}

/// Calls of the providers at one address.
fn proxy(world: &World, url: &str) -> Proxy {
    let centres = json!({"us": {"accountsServer": url, "apiDomain": url}}).to_string();
    let upstream = HttpUpstream {
        http: http::client().unwrap(),
        hosts: ApiHosts {
            quickbooks_api_base_url: url.parse().unwrap(),
            xero_api_base_url: url.parse().unwrap(),
            zoho_data_centres: DataCentres::parse(&centres).unwrap(),
        },
    };
    Proxy { upstream: Arc::new(upstream), ..world.proxy() }
}

impl Called {
    async fn new(name: Name) -> Self {
        let (world, tenant, provider) = (World::new(), sample::tenant(), Provider::start().await);
        let key = match name {
            Name::QuickBooks => world.connect(&tenant, REALM).await,
            Name::Xero | Name::Zoho => {
                world.companies.grant(name, &[REALM], &[]);
                let session =
                    domain::authorization::ConnectSession { provider: Some(name), ..world.session(&tenant) };
                world.begun_with(session, "state", "browser").await;
                let callback = World::callback(name, "state", Some("browser"), None);
                world.connector().complete(callback, crate::world::REDIRECT_URI).await.unwrap().key
            }
        };
        let (mut deps, api_key) = ApiWorld::deps(&world, Role::Operator, Some(&tenant)).await;
        deps.proxy = proxy(&world, &provider.url);
        let api = ApiWorld::of(deps, api_key);
        Self { world, tenant, key, provider, api }
    }

    /// Sends a request as the gateway hands it over.
    async fn send(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let address = format!("/api/proxy/{}/{path}", self.key.connection);
        let (raw, query) =
            address.split_once('?').map_or((address.as_str(), None), |(raw, query)| (raw, Some(query)));
        let mut request = Request::new(Body::Text(body.to_owned()));
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = query.map_or("/".to_owned(), |query| format!("/?{query}")).parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(
                lambda_http::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        self.api.send_raw(request.with_raw_http_path(raw)).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.send(("GET", path), &[], "").await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_providers_answer_comes_back_as_it_is_and_nothing_else_of_it() {
    let called = Called::new(Name::Xero).await;
    let bytes = vec![0x25, 0x50, 0xff, 0x00, b'"'];
    let headers = vec![
        ("content-type", "application/pdf"),
        ("x-daylimit-remaining", "4999"),
        ("x-minlimit-remaining", "59"),
        ("set-cookie", "a=b"),
        ("location", "https://evil.example/"),
        ("server", "x"),
    ];
    called.provider.then(Script::Answer(200, headers, bytes.clone()));

    let sent = [
        ("Accept", "application/pdf"),
        ("Cookie", "c=d"),
        ("Authorization", "Bearer mine"),
        ("If-Modified-Since", "Sat, 21 Nov 2026 00:00:00 GMT"),
    ];
    let (status, headers, body) = called.send(("GET", "Invoices/1?page=2"), &sent, "").await;

    assert_eq!((status, body), (StatusCode::OK, bytes));
    let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    insta::assert_snapshot!(names.join(" "), @"cache-control content-length content-security-policy content-type ratelimit-limit ratelimit-remaining ratelimit-reset referrer-policy strict-transport-security x-content-type-options x-correlation-id x-daylimit-remaining x-frame-options x-ledgerbridge-source x-minlimit-remaining");
    assert_eq!(
        (&headers["content-type"], &headers["x-ledgerbridge-source"]),
        (&"application/pdf".parse().unwrap(), &"provider".parse().unwrap())
    );
    let [asked] = called.provider.asked().try_into().unwrap();
    assert_eq!(asked.uri, "/api.xro/2.0/Invoices/1?page=2");
    assert_eq!(asked.header("authorization"), Some("Bearer access-1"));
    assert_eq!(asked.header("xero-tenant-id"), Some(REALM));
    assert_eq!(asked.header("if-modified-since"), Some("Sat, 21 Nov 2026 00:00:00 GMT"));
    assert_eq!((asked.header("cookie"), asked.header("x-api-key")), (None, None));
}

#[tokio::test]
async fn a_query_of_the_callers_own_reaches_the_provider_as_it_was_meant() {
    let called = Called::new(Name::QuickBooks).await;
    let mut event = events::json("api-proxy.json");
    let path = format!("/api/proxy/{}/query", called.key.connection);
    event["path"] = json!(path);

    let (status, _, body) =
        called.api.send(lambda_http::request::from_str(&event.to_string()).unwrap()).await;

    assert_eq!((status, body), (StatusCode::OK, json!({"ok": true})));
    let [asked] = called.provider.asked().try_into().unwrap();
    assert_eq!(asked.uri.path(), format!("/v3/company/{REALM}/query"));
    assert_eq!(
        domain::proxy::parameters(asked.uri.query().unwrap()),
        [("minorversion", "75"), ("query", "select * from Invoice where TotalAmt > '100.00'")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn a_path_is_the_same_whether_or_not_the_gateway_undid_its_encoding() {
    let called = Called::new(Name::Xero).await;
    for path in ["Invoices/1/Attachments/my%20file.pdf", "Invoices/1/Attachments/my file.pdf"] {
        assert_eq!(called.get(path).await.0, StatusCode::OK, "{path}");
        let [asked] = called.provider.asked().try_into().unwrap();
        assert_eq!(asked.uri.path(), "/api.xro/2.0/Invoices/1/Attachments/my%20file.pdf");
    }
}

#[tokio::test]
async fn the_providers_own_refusals_are_told_from_ours() {
    let called = Called::new(Name::QuickBooks).await;
    for (status, body) in [(404, "{}"), (429, ""), (400, r#"{"Fault":{}}"#), (503, "<html>")] {
        called.provider.then(Script::Answer(status, vec![("retry-after", "7")], body.as_bytes().to_vec()));

        let (answered, headers, answer) = called.send(("GET", "invoice/1"), &[], "").await;

        assert_eq!((answered.as_u16(), answer), (status, body.as_bytes().to_vec()));
        assert_eq!(
            (&headers["x-ledgerbridge-source"], &headers["retry-after"]),
            (&"provider".parse().unwrap(), &"7".parse().unwrap())
        );
        // The next one is not held back by this one's throttle.
        called.world.clock.advance(std::time::Duration::from_mins(2));
    }
    let (status, headers, _) = called.send(("GET", "invoice/.."), &[], "").await;
    assert_eq!((status, headers.get("x-ledgerbridge-source")), (StatusCode::BAD_REQUEST, None));
}

#[tokio::test]
async fn a_redirect_is_passed_on_without_where_it_leads() {
    let called = Called::new(Name::Zoho).await;
    called.provider.then(Script::Answer(302, vec![("location", "http://169.254.169.254/")], vec![]));

    let (status, headers, _) = called.send(("GET", "invoices"), &[], "").await;

    assert_eq!((status, headers.get("location")), (StatusCode::FOUND, None));
    let [asked] = called.provider.asked().try_into().unwrap();
    assert_eq!(asked.uri.to_string(), format!("/books/v3/invoices?organization_id={REALM}"));
    assert_eq!(asked.header("authorization"), Some("Zoho-oauthtoken access-1"));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once_and_the_call_repeated_once() {
    let called = Called::new(Name::QuickBooks).await;
    let refused = || Script::Answer(401, vec![], vec![]);
    called.provider.then(refused());

    let (status, body) = called.get("invoice/1").await;

    assert_eq!((status, body), (StatusCode::OK, json!({"ok": true})));
    let tokens = called.provider.asked();
    let tokens: Vec<_> = tokens.iter().map(|asked| asked.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["Bearer access-1", "Bearer access-2"]);

    called.provider.then(refused());
    called.provider.then(refused());
    called.world.clock.advance(std::time::Duration::from_mins(1));
    let (status, ..) = called.send(("GET", "invoice/1"), &[], "").await;
    assert_eq!((status, called.provider.asked().len()), (StatusCode::UNAUTHORIZED, 2), "it is no loop");
}

#[tokio::test]
async fn of_several_companies_one_is_named_by_either_of_its_ids() {
    let world = World::new();
    let (tenant, provider) = (sample::tenant(), Provider::start().await);
    world.companies.grant(Name::Xero, &["a", "b"], &[]);
    let key = world.connect_xero(world.session(&tenant)).await.unwrap().key;
    let (mut deps, api_key) = ApiWorld::deps(&world, Role::Operator, Some(&tenant)).await;
    deps.proxy = proxy(&world, &provider.url);
    let called = Called { api: ApiWorld::of(deps, api_key), world, tenant, key, provider };

    let (status, body) = called.get("Invoices").await;
    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "CONNECTION_AMBIGUOUS"), "{body}");
    assert_eq!(body["error"]["details"]["companyIds"].as_array().unwrap().len(), 2);

    for (named, expected) in [("b", "b"), ("xero_a", "a")] {
        let (status, _) = called.get(&format!("Invoices?companyId={named}&tenantId={}", called.tenant)).await;
        let [asked] = called.provider.asked().try_into().unwrap();
        assert_eq!(
            (status, asked.header("xero-tenant-id"), asked.uri.query()),
            (StatusCode::OK, Some(expected), None)
        );
    }
    assert_eq!(called.get("Invoices?companyId=c").await.0, StatusCode::NOT_FOUND);
    let foreign: ProviderCompanyId = "c".parse().unwrap();
    assert_eq!(called.get(&format!("Invoices?companyId=xero_{foreign}")).await.0, StatusCode::NOT_FOUND);
    assert!(called.provider.asked().is_empty());
}
