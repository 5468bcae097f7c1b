//! Connecting a company: from the product's link to the synced books.

use std::collections::BTreeMap;

use domain::provider::Provider;
use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Books, Browser, Bundle};

/// Id and total of each object; a customer's total is absent.
fn totals(objects: &[Value], id: &str, total: &str) -> BTreeMap<String, Option<String>> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let pairs: BTreeMap<_, _> =
        objects.iter().map(|object| (text(&object[id]).unwrap(), text(&object[total]))).collect();
    assert_eq!(pairs.len(), objects.len(), "an object is there twice");
    pairs
}

#[tokio::test]
async fn connecting_brings_every_customer_and_invoice_of_the_company() {
    let bundle = Bundle::deployed().await;
    let realm = bundle.simulator.company(7, 23).await;

    let connected = bundle.tenant().await.connect_to(&Books::realm(&realm), true).await;

    let shown = connected.shown().await;
    assert_eq!(shown["state"], "active");
    assert_eq!(shown["tenantId"], connected.tenant.id.as_str());
    assert_eq!(shown["companies"].as_array().unwrap().len(), 1);
    assert_eq!(shown["companies"][0]["providerCompanyId"], realm.as_str());
    assert_eq!(shown["companies"][0]["name"], "End & Sons <e2e>");
    let asked = bundle.simulator.calls(&[("company", &realm), ("pathContains", "companyinfo")]).await;
    assert_eq!(asked.len(), 1, "the company is confirmed with the new token, once");
    assert_eq!(asked[0]["status"], 200);

    let invoices = connected.synced("invoices", 23).await;
    let customers = connected.synced("customers", 7).await;
    let theirs = bundle.simulator.objects(&realm, "Invoice").await;
    assert_eq!(totals(&invoices, "id", "total"), totals(&theirs, "Id", "TotalAmt"));
    let theirs = bundle.simulator.objects(&realm, "Customer").await;
    assert_eq!(totals(&customers, "id", "total"), totals(&theirs, "Id", "TotalAmt"));
    assert!(invoices.iter().chain(&customers).all(|record| record["deleted"] == false));
}

#[tokio::test]
async fn records_come_in_one_order_whatever_the_limit() {
    let bundle = Bundle::deployed().await;
    let realm = bundle.simulator.company(2, 11).await;
    let connected = bundle.tenant().await.connect_to(&Books::realm(&realm), true).await;
    let whole = connected.synced("invoices", 11).await;

    for limit in [1, 3, 10, 11, 12] {
        assert_eq!(connected.records("invoices", limit).await, whole, "limit {limit}");
    }
}

#[tokio::test]
async fn a_connect_link_works_once() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let link = tenant.link(Provider::QuickBooks).await;

    // Mail scanners and previews look with HEAD, and must not use the link up.
    let previewed = Browser::new(&bundle).send(Method::HEAD, &link).await;
    assert_eq!(previewed.status, 405);
    assert_eq!(Browser::new(&bundle).open(&link).await.status, 302);

    for spent in [link.clone(), format!("{link}x"), link.split('?').next().unwrap().to_owned()] {
        let refused = Browser::new(&bundle).open(&spent).await;
        refused.expect_page(410, "AUTH_SESSION_EXPIRED");
        assert!(refused.headers.get("set-cookie").is_none(), "a refusal begins nothing");
    }
}

#[tokio::test]
async fn the_redirect_to_the_provider_says_no_more_than_it_must() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let mut browser = Browser::new(&bundle);

    let sent = browser.open(&tenant.link(Provider::QuickBooks).await).await;

    let authorize = url::Url::parse(sent.header("location")).unwrap();
    let names: Vec<_> = authorize.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "response_type", "scope", "redirect_uri", "state"]);
    let cookie = sent.header("set-cookie");
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for flag in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(flag), "{flag} is missing: {cookie}");
    }
    let state = authorize.query_pairs().last().unwrap().1.into_owned();
    assert!(
        !cookie.contains(&state),
        "the cookie proves the browser, so it must not be what the address shows"
    );
}

#[tokio::test]
async fn a_link_is_made_only_for_what_exists_and_leads_only_to_configured_pages() {
    let bundle = Bundle::deployed().await;
    let tenant = bundle.tenant().await;
    let good = json!({ "tenantId": tenant.id, "provider": "quickbooks" });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };

    for (body, status, code) in [
        (with("tenantId", json!("nobody-by-this-name")), 404, "TENANT_NOT_FOUND"),
        (with("tenantId", json!(tenant.id.to_uppercase())), 404, "TENANT_NOT_FOUND"),
        (with("tenantId", json!("a#b")), 400, "VALIDATION_FAILED"),
        (with("tenantId", json!("../x")), 400, "VALIDATION_FAILED"),
        (with("tenantId", json!("nul\u{0}")), 400, "VALIDATION_FAILED"),
        (with("tenantId", json!("\u{202e}abc")), 400, "VALIDATION_FAILED"),
        (with("tenantId", json!("x".repeat(10_000))), 400, "VALIDATION_FAILED"),
        (with("tenantId", json!(7)), 400, "VALIDATION_FAILED"),
        (with("provider", json!("sage")), 404, "PROVIDER_UNKNOWN"),
        (with("provider", json!("QuickBooks")), 404, "PROVIDER_UNKNOWN"),
        (with("scope", json!("payroll.compensation.read")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("https://evil.example/")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("//evil.example")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("https:evil.example")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("https://app.example@evil.example/")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("https://app.example.evil.example/")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("https://app.example/\r\nSet-Cookie: a=b")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("javascript:alert(1)")), 400, "VALIDATION_FAILED"),
        (with("returnUrl", json!("https://app.example/%0d%0aSet-Cookie:a=b")), 400, "VALIDATION_FAILED"),
    ] {
        bundle.post("/api/connect-sessions", &body).await.expect_error(status, code);
    }
    let unknown = bundle.post("/api/connect-sessions", &with("provider", json!("sage"))).await;
    assert_eq!(unknown.json()["error"]["details"]["providers"], json!(["quickbooks", "xero", "zoho"]));
    bundle.post("/api/connect-sessions", &good).await.expect(201);
}

#[tokio::test]
async fn a_company_of_one_tenant_is_not_moved_to_another() {
    let bundle = Bundle::deployed().await;
    let owner = bundle.tenant().await.connect().await;
    let thief = bundle.tenant().await;
    let before = owner.stored().await;

    let (mut browser, callback) = thief.approve(&Books::realm(owner.realm())).await;
    let refused = browser.open(callback.as_str()).await;

    refused.expect_page(409, "COMPANY_CONNECTED_ELSEWHERE");
    assert!(!refused.text().contains(&owner.tenant.id), "whose it is stays unsaid");
    assert_eq!(thief.status().await["summary"]["total"], 0);
    assert_eq!(owner.stored().await, before);
    let told = ("company.owned_elsewhere".to_owned(), None);
    assert!(
        thief.acts().await.contains(&told) && owner.tenant.acts().await.contains(&told),
        "both can read it"
    );
}
