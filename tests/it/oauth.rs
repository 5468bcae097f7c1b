//! The `oauth` function at its door: what a browser sends, and what never gets further.

use std::{collections::HashMap, sync::Arc};

use domain::{
    authorization::{ConnectSession, hash},
    connection::ConnectionStore as _,
    entropy::SystemEntropy,
    provider::Provider,
    secret::OneTimeValue,
    tenant::{Tenant, TenantStore as _},
};
use edge::config::Variables;
use lambda_http::{
    Body, Request, RequestExt as _,
    http::{HeaderMap, StatusCode, header},
};
use tests::sample;

use crate::{events, world::World};

/// Where the bundle is.
const PUBLIC_URL: &str = "https://bundle.example";
/// A product's page that leads on to ours.
const RETURN_URL: &str = "https://app.example/books?tab=1";

/// The function over a world in memory, with all three providers.
async fn deps(world: &World) -> oauth::Deps {
    let variables = HashMap::from([
        ("QUICKBOOKS_CLIENT_ID", "qb"),
        ("QUICKBOOKS_CLIENT_SECRET", "s3cr3t"),
        ("XERO_CLIENT_ID", "xero"),
        ("XERO_CLIENT_SECRET", "s3cr3t"),
        ("ZOHO_CLIENT_ID", "zoho"),
        ("ZOHO_CLIENT_SECRET", "s3cr3t"),
    ]);
    let lookup = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let mut variables = Variables::new(&lookup);
    let providers = variables.providers(std::time::Duration::from_secs(1));
    let tenant = Tenant::new("acme".parse().unwrap(), "Acme <b>Corp</b>", sample::NOW);
    world.tenants.insert(&tenant).await.unwrap();
    oauth::Deps {
        connector: world.connector(),
        requests: world.authorizations.clone(),
        providers: variables.finish(providers).unwrap(),
        public_url: Some(PUBLIC_URL.to_owned()),
        clock: world.clock.clone(),
        entropy: Arc::new(SystemEntropy),
    }
}

/// What the browser gets.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

async fn send(deps: &oauth::Deps, request: &Request) -> Answer {
    let (parts, body) = oauth::handle(deps, request, &"corr_1".parse().unwrap()).await.into_parts();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Opens an address in a browser that holds the cookie of `state`, where there is one.
async fn open(deps: &oauth::Deps, path_and_query: &str, state: Option<&str>) -> Answer {
    let path = path_and_query.split('?').next().unwrap().to_owned();
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = format!("{PUBLIC_URL}{path_and_query}").parse().unwrap();
    request.headers_mut().insert(header::ACCEPT, "text/html".parse().unwrap());
    if let Some(state) = state {
        let name = &hash(&OneTimeValue::new(state))[..16];
        let cookie = format!("{}{name}=browser", oauth::COOKIE_PREFIX);
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    }
    send(deps, &request.with_raw_http_path(&path)).await
}

async fn begun(world: &World, provider: Provider, state: &str) {
    let session = ConnectSession {
        provider: Some(provider),
        return_url: Some(RETURN_URL.to_owned()),
        ..world.session(&sample::tenant())
    };
    world.begun_with(session, state, "browser").await;
}

#[tokio::test]
async fn the_samples_of_the_gateway_are_answered_as_their_index_says() {
    let world = World::new();
    let deps = deps(&world).await;

    for (name, status) in [("oauth-connect-spent.json", 410), ("oauth-callback-forged.json", 400)] {
        assert_eq!(send(&deps, &events::request(name)).await.status, status, "{name}");
    }
    let foreign = send(&deps, &events::request("oauth-callback-zoho-foreign.json")).await;
    assert_eq!(foreign.status, 400);
    assert_eq!(world.provider.spent().len(), 0);
}

#[tokio::test]
async fn a_callback_of_the_wrong_form_asks_nobody_and_uses_nothing_up() {
    let world = World::new();
    let deps = deps(&world).await;
    for provider in Provider::ALL {
        begun(&world, provider, provider.as_str()).await;
    }
    let long = "x".repeat(9_000);
    let refused = [
        "/auth/quickbooks/callback?code=c&realmId=1".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&realmId=1".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&code=&realmId=1".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&code=a%20b&realmId=1".to_owned(),
        format!("/auth/quickbooks/callback?state=quickbooks&code={long}&realmId=1"),
        "/auth/quickbooks/callback?state=quickbooks&code=a&code=b&realmId=1".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&state=quickbooks&code=a&realmId=1".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&code=c".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&code=c&realmId=abc".to_owned(),
        "/auth/quickbooks/callback?state=quickbooks&code=c&realmId=1&realmId=2".to_owned(),
        format!("/auth/quickbooks/callback?state=quickbooks&code=c&realmId={}", "1".repeat(200)),
        "/auth/quickbooks/callback?state=quickbooks&code=c&realmId=1&iss=https://evil.example".to_owned(),
        "/auth/xero/callback?state=xero&code=c&iss=https://identity.xero.com.evil.example".to_owned(),
        "/auth/xero/callback?state=xero&error=access_denied&iss=https://evil.example".to_owned(),
        "/auth/zoho/callback?state=zoho&code=c&location=mars".to_owned(),
        "/auth/zoho/callback?state=zoho&code=c&location=eu&accounts-server=https://accounts.zoho.in".to_owned(),
        "/auth/zoho/callback?state=zoho&code=c&accounts-server=https://accounts.zoho.eu&iss=https://accounts.zoho.com"
            .to_owned(),
    ];
    let servers = [
        "https://evil.example",
        "https://accounts.zoho.com.evil.example",
        "https://accounts.zoho.com@evil.example",
        "http://accounts.zoho.com",
        "https://accounts.zoho.com:444",
        "https://accounts.zoho.com/../x",
        "https://accounts.zoho.com.",
        "https://accounts%E3%80%82zoho.com",
        "https://xn--accounts-.zoho.com",
        "",
    ];
    let servers = servers
        .map(|server| format!("/auth/zoho/callback?state=zoho&code=c&location=us&accounts-server={server}"));

    for address in refused.iter().chain(&servers) {
        let state = address.split('/').nth(2);
        assert_eq!(open(&deps, address, state).await.status, 400, "{address}");
    }

    assert_eq!(world.provider.spent().len(), 0, "nobody was asked");
    let good = [
        "/auth/quickbooks/callback?state=quickbooks&code=c&realmId=1&iss=https://oauth.platform.intuit.com/op/v1",
        "/auth/xero/callback?state=xero&code=c&iss=https://identity.xero.com",
        "/auth/zoho/callback?state=zoho&code=c&location=eu&accounts-server=https%3A%2F%2Faccounts.zoho.eu&",
    ];
    for address in good {
        let provider: Provider = address.split('/').nth(2).unwrap().parse().unwrap();
        world.companies.grant(provider, &["a1"], &[]);
        let answer = open(&deps, address, Some(provider.as_str())).await;
        assert!(answer.header(header::LOCATION).contains("status=connected"), "{address}: {}", answer.body);
    }
    let zohos = world.provider.exchanged()[2].location.clone().unwrap();
    assert_eq!(zohos.as_str(), "eu");
}

#[tokio::test]
async fn a_state_is_good_once_for_its_provider_and_its_browser() {
    let world = World::new();
    let deps = deps(&world).await;
    begun(&world, Provider::Xero, "state").await;
    world.companies.grant(Provider::Xero, &["a"], &[]);
    let callback = "/auth/xero/callback?code=c&state=state";

    assert_eq!(open(&deps, "/auth/xero/callback?code=c&state=forged", Some("forged")).await.status, 400);
    assert_eq!(open(&deps, callback, None).await.status, 400, "without the cookie of the browser that began");
    let other = "/auth/quickbooks/callback?code=c&realmId=1&state=state";
    assert_eq!(open(&deps, other, Some("state")).await.status, 400, "at the door of another provider");
    assert_eq!(world.provider.spent().len(), 0);

    let finished = open(&deps, callback, Some("state")).await;
    assert_eq!(finished.status, StatusCode::FOUND);
    let location = finished.header(header::LOCATION);
    assert!(
        location.starts_with("https://app.example/books?tab=1&status=connected&connectionId=conn_"),
        "{location}"
    );
    assert!(finished.header(header::SET_COOKIE).ends_with("Max-Age=0"), "the cookie has done its work");

    let again = open(&deps, callback, Some("state")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(world.provider.spent().len(), 1, "a code is spent once");
}

#[tokio::test]
async fn a_refusal_of_the_provider_goes_back_to_the_product_and_its_text_to_no_page() {
    let world = World::new();
    let deps = deps(&world).await;
    begun(&world, Provider::Xero, "denied").await;
    let refused = "/auth/xero/callback?error=access_denied&code=c&state=denied";

    let answer = open(&deps, refused, Some("denied")).await;

    let location = answer.header(header::LOCATION);
    assert!(location.ends_with("&status=failed&error=AUTH_ACCESS_DENIED"), "{location}");
    assert_eq!(world.provider.spent().len(), 0, "an error wins over a code");

    world.begun(&sample::tenant(), "page", "browser").await;
    let attack = "/auth/quickbooks/callback?error=%3Cscript%3Ealert(1)%3C/script%3E&error_description=%0d%0aX:1&state=page";
    let page = open(&deps, attack, Some("page")).await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("<h1>Not connected</h1>") && !page.body.contains("script"), "{}", page.body);
    assert!(!page.headers.contains_key("x"));
}

#[tokio::test]
async fn every_page_is_kept_by_nobody_framed_nowhere_and_runs_nothing() {
    let world = World::new();
    let deps = deps(&world).await;

    let page = open(&deps, "/auth/quickbooks/callback?code=c", None).await;

    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        assert_eq!(page.header(name), value);
    }
    assert!(page.header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
    assert!(page.headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
}

#[tokio::test]
async fn the_page_of_a_link_names_the_tenant_and_leads_to_each_provider_without_using_the_link_up() {
    let world = World::new();
    let deps = deps(&world).await;
    let request = domain::authorization::SessionRequest {
        tenant: "acme".parse().unwrap(),
        provider: None,
        scopes: vec![],
        reconnects: None,
        confirm: false,
        return_url: None,
        sync: true,
    };
    let (code, _) =
        domain::authorization::open_session(&*world.authorizations, &SystemEntropy, sample::NOW, request)
            .await
            .unwrap();
    let link = format!("/auth/connect?session={}", code.expose());

    for _ in 0..2 {
        let page = open(&deps, &link, None).await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Acme &lt;b&gt;Corp&lt;/b&gt;"), "{}", page.body);
        for provider in Provider::ALL {
            let address = format!("{PUBLIC_URL}/auth/{provider}/connect?session={}", code.expose());
            assert!(page.body.contains(&address), "{provider}");
        }
    }

    let begun = open(&deps, &format!("/auth/xero/connect?session={}", code.expose()), None).await;
    let location = begun.header(header::LOCATION);
    assert!(location.starts_with("https://login.xero.com/identity/connect/authorize?"), "{location}");
    assert!(
        location.contains("code_challenge_method=S256") && location.contains("offline_access"),
        "{location}"
    );
    let cookie = begun.header(header::SET_COOKIE);
    assert!(cookie.starts_with("__Host-") && cookie.contains("Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    for spent in [link, format!("/auth/quickbooks/connect?session={}", code.expose())] {
        assert_eq!(open(&deps, &spent, None).await.status, StatusCode::GONE, "{spent}");
    }
}

#[tokio::test]
async fn only_get_opens_anything_and_unknown_providers_are_told_the_known_ones() {
    let world = World::new();
    let deps = deps(&world).await;
    begun(&world, Provider::Xero, "state").await;
    for method in ["HEAD", "POST", "OPTIONS", "TRACE", "PUT"] {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("{PUBLIC_URL}/auth/xero/callback?code=c&state=state").parse().unwrap();
        let request = request.with_raw_http_path("/auth/xero/callback");
        assert_eq!(send(&deps, &request).await.status, 405, "{method}");
    }
    assert_eq!(world.provider.spent().len(), 0);

    for name in ["sage", "QuickBooks", "quickbooks%00", ""] {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = format!("{PUBLIC_URL}/auth/{name}/connect").parse().unwrap();
        let path = format!("/auth/{name}/connect");
        let answer = send(&deps, &request.with_raw_http_path(&path)).await;
        assert_eq!(answer.status, 404, "{name}");
        assert!(answer.body.contains(r#"["quickbooks","xero","zoho"]"#), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_connection_without_a_way_back_ends_on_a_page_that_names_its_companies() {
    let world = World::new();
    let deps = deps(&world).await;
    let session = ConnectSession { provider: Some(Provider::Xero), ..world.session(&sample::tenant()) };
    world.begun_with(session, "state", "browser").await;
    world.companies.grant(Provider::Xero, &["a", "b"], &[]);

    let page = open(&deps, "/auth/xero/callback?code=c&state=state", Some("state")).await;

    assert_eq!(page.status, 200);
    assert!(page.body.contains("Company a, Company b: connected."), "{}", page.body);
    let id = "a".parse().unwrap();
    assert_eq!(world.connections.find_routes(Provider::Xero, &id).await.unwrap().len(), 1);
}
