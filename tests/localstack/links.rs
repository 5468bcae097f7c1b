//! Connect links: for whom they are made, how many, and the page on which a person chooses.

use domain::{api_key::Role, provider::Provider};
use rstest::rstest;
use serde_json::json;
use url::Url;

use crate::driver::{Browser, Bundle, connection_of, parameter};

const SESSIONS: &str = "/api/connect-sessions";
/// `CONNECT_SESSIONS_PER_MINUTE`, where nobody has set it.
const PER_MINUTE: usize = 60;
/// The one of `RETURN_URLS` on a local stack.
const RETURN_URL: &str = "http://localhost:3000/connected";

#[tokio::test]
async fn without_a_provider_a_page_names_the_tenant_and_lets_the_person_choose() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let link = tenant.link_with(json!({ "sync": false })).await;
    assert!(link.starts_with(&bundle.url("/auth/connect?session=")), "{link}");
    let mut browser = Browser::new(&bundle);

    // Looking uses nothing up: mail scanners and previews open links too.
    for _ in 0..2 {
        let page = browser.open(&link).await;
        assert_eq!(page.status, 200, "{}", page.text());
        page.expect_guarded();
        assert!(page.text().contains("End to end"), "the page names the tenant: {}", page.text());
        assert!(browser.cookies.is_empty(), "nothing has begun");
        for provider in Provider::ALL {
            let to = bundle.url(&format!(
                "/auth/{provider}/connect?session={}",
                parameter(&Url::parse(&link).unwrap(), "session")
            ));
            assert!(page.text().contains(&format!("href=\"{to}\"")), "{provider}: {}", page.text());
        }
    }

    let chosen = link.replace("/auth/connect?", "/auth/zoho/connect?");
    let books = bundle.simulator.books(Provider::Zoho).await;
    let (mut browser, callback) = tenant.walk(&chosen, "approve", &books).await;
    let connected = browser.open(callback.as_str()).await;
    assert_eq!(tenant.connections().await[0]["connectionId"], connection_of(&connected).as_str());
    Browser::new(&bundle).open(&link).await.expect_page(410, "AUTH_SESSION_EXPIRED");
}

#[rstest]
#[case("approve", "status=connected&connectionId=conn_")]
#[case("deny", "status=failed&error=AUTH_ACCESS_DENIED")]
#[tokio::test]
async fn the_browser_ends_where_the_product_wants_it_with_the_outcome(
    #[case] decision: &str,
    #[case] outcome: &str,
) {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let books = bundle.simulator.books(Provider::Xero).await;
    let wanted = json!({ "provider": "xero", "returnUrl": RETURN_URL, "sync": false });
    let link = tenant.link_with(wanted).await;

    let (mut browser, callback) = tenant.walk(&link, decision, &books).await;
    let ended = browser.open(callback.as_str()).await;

    assert_eq!(ended.status, 302, "{}", ended.text());
    let location = ended.header("location");
    assert!(location.starts_with(&format!("{RETURN_URL}?{outcome}")), "{location}");
    assert!(browser.cookies.is_empty(), "the cookie has done its work");
}

#[tokio::test]
async fn a_link_for_one_provider_begins_at_no_other() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let link = tenant.link(Provider::Xero).await;

    let elsewhere = link.replace("/auth/xero/", "/auth/quickbooks/");
    Browser::new(&bundle).open(&elsewhere).await.expect_page(410, "AUTH_SESSION_EXPIRED");
    Browser::new(&bundle)
        .open(&link.replace("/auth/xero/", "/auth/sage/"))
        .await
        .expect_page(404, "PROVIDER_UNKNOWN");

    assert_eq!(Browser::new(&bundle).open(&link).await.status, 302, "and is still good for its own");
}

#[rstest]
#[tokio::test]
async fn a_link_works_once_at_every_provider(
    #[values(Provider::QuickBooks, Provider::Xero, Provider::Zoho)] provider: Provider,
) {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let link = tenant.link(provider).await;

    let sent = Browser::new(&bundle).open(&link).await;
    let authorize = Url::parse(sent.header("location")).unwrap();
    let challenged = authorize.query_pairs().any(|(name, _)| name == "code_challenge");
    assert_eq!(challenged, provider == Provider::Xero, "{authorize}");

    let spent = Browser::new(&bundle).open(&link).await;
    spent.expect_page(410, "AUTH_SESSION_EXPIRED");
    assert!(spent.headers.get("set-cookie").is_none(), "a refusal begins nothing");
}

#[rstest]
#[tokio::test]
async fn scopes_are_those_of_the_configuration_or_fewer(
    #[values(
        (Provider::QuickBooks, "com.intuit.quickbooks.accounting", "com.intuit.quickbooks.payment"),
        (Provider::Xero, "accounting.contacts.read", "payroll.employees"),
        (Provider::Zoho, "ZohoBooks.contacts.READ", "ZohoBooks.fullaccess.all")
    )]
    (provider, good, bad): (Provider, &str, &str),
) {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;

    for scopes in [json!([bad]), json!([good, bad]), json!([good.to_uppercase() + "x"]), json!(good)] {
        let body = json!({ "tenantId": tenant.id, "provider": provider, "scopes": scopes });
        bundle.post(SESSIONS, &body).await.expect_error(400, "VALIDATION_FAILED");
    }

    let link = tenant.link_with(json!({ "provider": provider, "scopes": [good] })).await;
    let extra = format!("{link}&scope={bad}");
    let sent = Browser::new(&bundle).open(&extra).await;
    let asked = parameter(&Url::parse(sent.header("location")).unwrap(), "scope");
    assert!(asked.split([' ', ',']).any(|scope| scope == good), "{asked}");
    assert!(!asked.contains(bad), "what the address says is not asked for: {asked}");
}

#[tokio::test]
async fn a_tenant_can_have_so_many_links_a_minute_and_others_do_not_notice() {
    let bundle = Bundle::deployed().await;
    let (tenant, other) = (bundle.tenant().await, bundle.tenant().await);
    let body = json!({ "tenantId": tenant.id, "provider": "xero" });

    // More than twice as many, since a new minute may begin on the way.
    let asked = (0..=2 * PER_MINUTE).map(|_| bundle.post(SESSIONS, &body));
    let answers = futures::future::join_all(asked).await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert!((PER_MINUTE..=2 * PER_MINUTE).contains(&made), "{made} links");
    let refused = answers.iter().find(|answer| answer.status != 201).unwrap();
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    other.link(Provider::Xero).await;
}

#[tokio::test]
async fn a_key_of_one_tenant_makes_no_link_for_another_and_the_try_is_written_down() {
    let bundle = Bundle::deployed().await;
    let (own, other) = (bundle.tenant().await, bundle.tenant().await);
    let key = bundle.key(Role::Operator, Some(&own.id)).await;
    let body = |tenant: &str| json!({ "tenantId": tenant, "provider": "zoho" });

    // 404, as for a tenant that never was: a key cannot tell the two apart.
    for tenant in [other.id.as_str(), "nobody-by-this-name"] {
        let refused = bundle.post_as(&key, SESSIONS, &body(tenant)).await;
        refused.expect_error(404, "TENANT_NOT_FOUND");
    }

    let tries = own.acts().await.into_iter().filter(|(act, _)| act == "access.refused").count();
    assert_eq!(tries, 2);
    assert_eq!(other.acts().await.len(), 1, "that it was made");
    bundle.post_as(&key, SESSIONS, &body(&own.id)).await.expect(201);
}
