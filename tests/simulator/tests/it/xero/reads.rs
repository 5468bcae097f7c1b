//! Reading Xero's data: pages, filters, forms, and who is let in.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{SECOND_TENANT, TENANT, with};
use crate::harness::{Sim, callback_of, refusal_of, tokens_of};

fn count(answer: &Value, name: &str) -> usize {
    answer[name].as_array().unwrap().len()
}

#[tokio::test]
async fn invoices_come_in_pages_with_lines_and_a_last_empty_page() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;

    let first = sim.xero_read(&token, "Invoices?page=1").await;
    let second = sim.xero_read(&token, "Invoices?page=2&pageSize=5000").await;
    let whole = sim.xero_read(&token, "Invoices").await;

    let pagination = json!({ "page": 1, "pageSize": 100, "pageCount": 2, "itemCount": 120 });
    assert_eq!((count(&first, "Invoices"), &first["pagination"]), (100, &pagination));
    assert_eq!((count(&second, "Invoices"), &second["pagination"]["pageSize"]), (0, &json!(1_000)));
    assert_eq!((count(&whole, "Invoices"), whole.get("pagination")), (120, None));
    assert_eq!(count(&first["Invoices"][0], "LineItems"), 1);
    assert_eq!(count(&whole["Invoices"][0], "LineItems"), 0);
    assert_eq!(first["Status"], "OK");
    assert!(first["DateTimeUTC"].as_str().unwrap().starts_with("/Date("));
}

#[tokio::test]
async fn the_order_is_by_time_of_change_unless_asked() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;

    let by_time = sim.xero_read(&token, "Invoices?page=1").await;
    let descending = sim.xero_read(&token, "Invoices?page=1&order=UpdatedDateUTC%20DESC").await;
    let by_total = sim.xero_read(&token, "Invoices?page=1&order=Total").await;

    assert_eq!(by_time["Invoices"][0]["InvoiceNumber"], "INV-0001");
    assert_eq!(descending["Invoices"][0]["InvoiceNumber"], "BILL-0120");
    assert_eq!(by_total["Invoices"][0]["Total"], 19.95);
}

#[tokio::test]
async fn lists_are_narrowed_by_every_documented_parameter() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    let all = sim.xero_read(&token, "Invoices?page=1").await;
    let ids: Vec<_> = (0..2).map(|at| all["Invoices"][at]["InvoiceID"].as_str().unwrap()).collect();
    let contact = all["Invoices"][0]["Contact"]["ContactID"].as_str().unwrap();

    for (query, expected) in [
        (format!("IDs={}", ids.join(",")), 2),
        (format!("ContactIDs={contact}"), 5),
        ("Statuses=PAID".to_owned(), 40),
        ("Statuses=PAID,AUTHORISED".to_owned(), 120),
        ("InvoiceNumbers=INV-0001,INV-0002".to_owned(), 2),
        ("where=Type%3D%3D%22ACCPAY%22".to_owned(), 24),
        ("where=Type%3D%3D%22ACCPAY%22%20AND%20Status%3D%3D%22PAID%22".to_owned(), 8),
        (format!("where=Contact.ContactID%3D%3Dguid(%22{contact}%22)"), 5),
    ] {
        assert_eq!(
            count(&sim.xero_read(&token, &format!("Invoices?{query}")).await, "Invoices"),
            expected,
            "{query}"
        );
    }
    let refused = sim.xero_api("GET", &token, "Invoices?where=nonsense").send().await.unwrap();
    assert_eq!(refusal_of(refused).await.1["Type"], "QueryParseException");
}

#[tokio::test]
async fn if_modified_since_lets_only_later_changes_through() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    let now = sim.inspect("clock").await["now"].as_str().unwrap()[..19].to_owned();
    let path = format!("xero/organizations/{TENANT}/entities/contacts");
    sim.advance(5).await;
    sim.control("POST", &path, json!({ "Name": "New" })).await;

    let since = sim.xero_api("GET", &token, "Contacts").header("if-modified-since", now);
    let changed: Value = since.send().await.unwrap().json().await.unwrap();

    assert_eq!(count(&changed, "Contacts"), 1);
    assert_eq!(changed["Contacts"][0]["Name"], "New");
}

#[tokio::test]
async fn archived_contacts_are_hidden_unless_asked() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    let id = sim.xero_read(&token, "Contacts?page=1").await["Contacts"][0]["ContactID"].clone();

    let archived = json!({ "ContactID": id, "ContactStatus": "ARCHIVED" });
    assert_eq!(sim.xero_write(&token, "Contacts", &archived).await.0, 200);

    assert_eq!(count(&sim.xero_read(&token, "Contacts").await, "Contacts"), 24);
    assert_eq!(count(&sim.xero_read(&token, "Contacts?includeArchived=true").await, "Contacts"), 25);
}

#[tokio::test]
async fn one_object_is_found_by_id_or_number_and_others_are_not() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;

    let by_number = sim.xero_read(&token, "Invoices/INV-0001").await;
    let id = by_number["Invoices"][0]["InvoiceID"].as_str().unwrap();
    let by_id = sim.xero_read(&token, &format!("Invoices/{id}")).await;
    let missing = sim.xero_api("GET", &token, "Invoices/nothing").send().await.unwrap();

    assert_eq!(by_id["Invoices"], by_number["Invoices"]);
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    for (path, name, expected) in [
        ("Organisation", "Organisations", 1),
        ("Accounts", "Accounts", 5),
        ("Items", "Items", 3),
        ("Payments", "Payments", 40),
        ("CreditNotes", "CreditNotes", 1),
    ] {
        assert_eq!(count(&sim.xero_read(&token, path).await, name), expected, "{path}");
    }
}

#[tokio::test]
async fn without_an_accept_header_the_answer_is_xml() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;

    let request = sim.request("GET", "xero/api.xro/2.0/Organisation").bearer_auth(&token);
    let answer = request.header("xero-tenant-id", TENANT).send().await.unwrap();

    assert_eq!(answer.headers()["content-type"], "text/xml; charset=utf-8");
    assert!(answer.text().await.unwrap().contains("<Name>Demo Company (Global)</Name>"));
}

#[tokio::test]
async fn a_missing_foreign_or_disconnected_organization_is_forbidden_and_others_stay_fine() {
    let sim = Sim::start().await;
    sim.xero_switch(json!({ "consentTenantIds": [TENANT, SECOND_TENANT] })).await;
    let token = sim.xero_connect().await.access;
    let of = async |tenant: Option<&str>| {
        let mut request = sim.request("GET", "xero/api.xro/2.0/Organisation").bearer_auth(&token);
        if let Some(tenant) = tenant {
            request = request.header("xero-tenant-id", tenant);
        }
        request.send().await.unwrap()
    };

    let (status, body) = refusal_of(of(None).await).await;
    assert_eq!((status, &body["Detail"]), (403, &json!("AuthenticationUnsuccessful")));
    assert_eq!(of(Some("51b00000-0000-4000-8000-00000000ffff")).await.status(), StatusCode::FORBIDDEN);
    sim.control("POST", &format!("xero/organizations/{TENANT}/disconnect"), json!({})).await;
    assert_eq!(of(Some(TENANT)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(of(Some(SECOND_TENANT)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn one_organization_can_be_offline_or_forbidden() {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    let status = async || sim.xero_api("GET", &token, "Organisation").send().await.unwrap().status().as_u16();
    let organization = format!("xero/organizations/{TENANT}");

    let mut statuses = Vec::new();
    for change in [
        json!({ "offline": true }),
        json!({ "offline": false, "forbidden": true }),
        json!({ "forbidden": false }),
    ] {
        sim.control("PATCH", &organization, change).await;
        statuses.push(status().await);
    }

    assert_eq!(statuses, [503, 403, 200]);
}

#[tokio::test]
async fn a_missing_scope_and_an_ended_token_are_different_401s() {
    let sim = Sim::start().await;
    let callback = callback_of(&sim.xero_authorize(&with("scope", "accounting.invoices.read")).await);
    let token = tokens_of_access(&sim, &callback["code"]).await;
    let detail = async |method: &str, path: &str| {
        let (status, body) = refusal_of(sim.xero_api(method, &token, path).send().await.unwrap()).await;
        assert_eq!(status, 401);
        body["Detail"].as_str().unwrap().to_owned()
    };

    let contacts = detail("GET", "Contacts").await;
    let write = detail("PUT", "Invoices").await;
    sim.xero_read(&token, "Invoices").await;
    sim.advance(1_800).await;
    let ended = detail("GET", "Invoices").await;

    assert_eq!(
        (contacts.as_str(), write.as_str()),
        ("AuthorizationUnsuccessful", "AuthorizationUnsuccessful")
    );
    assert!(ended.starts_with("TokenExpired: token expired at "));
}

async fn tokens_of_access(sim: &Sim, code: &str) -> String {
    let answer: Value = sim.xero_exchange(code).await.json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_call_log_and_the_faults_know_organizations() {
    let sim = Sim::start().await;
    let tokens = tokens_of(sim.xero_exchange(&sim.xero_code().await).await).await;
    let fault =
        json!({ "provider": "xero", "endpoint": "api", "company": TENANT, "kind": "status", "status": 503 });
    sim.control("POST", "faults", fault).await;

    let spoiled = sim.xero_api("GET", &tokens.access, "Invoices?page=1").send().await.unwrap();
    let log = sim.inspect(&format!("calls?provider=xero&company={TENANT}")).await;

    assert_eq!(spoiled.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&log["total"], &log["calls"][0]["query"]), (&json!(1), &json!("page=1")));
}
