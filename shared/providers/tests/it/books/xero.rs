//! Xero's books against the simulator, and against fixed answers.

use std::time::Duration;

use domain::{
    id::ProviderCompanyId,
    secret::AccessToken,
    store::chain,
    sync::{Entity, Ledger as _, LedgerCall, LedgerError, PageQuery},
};
use providers::{http, xero::XeroLedger};
use serde_json::{Value, json};

use super::{Walk, alone, class, ids, sorted, walk};
use crate::{
    responder::{Responder, Script, answer},
    support::{access_token, free_gate},
    xero::{FIRST, Xero},
};

/// A connected organization and its books.
pub(super) struct Books {
    xero: Xero,
    pub(super) ledger: XeroLedger,
    token: AccessToken,
    company: ProviderCompanyId,
}

impl Books {
    pub(super) async fn with_invoices(invoices: usize) -> Self {
        let xero = Xero::with_invoices(invoices).await;
        let token = xero.connect(&[FIRST]).await.access;
        let ledger = XeroLedger::new(xero.simulator.http.clone(), xero.simulator.at(""));
        Self { xero, ledger, token, company: FIRST.parse().unwrap() }
    }

    pub(super) fn call(&self) -> LedgerCall<'_> {
        LedgerCall { token: &self.token, company: &self.company, location: None, gate: free_gate() }
    }

    pub(super) async fn walk(&self, entity: Entity, after: Option<jiff::Timestamp>) -> Walk {
        walk(&self.ledger, self.call(), entity, after).await
    }

    pub(super) async fn put(&self, resource: &str, body: Value) -> Value {
        let path = format!("xero/organizations/{FIRST}/entities/{resource}");
        self.xero.simulator.control("POST", &path, body).await
    }

    async fn change(&self, resource: &str, id: &str, body: Value) {
        let path = format!("xero/organizations/{FIRST}/entities/{resource}/{id}");
        self.xero.simulator.control("PUT", &path, body).await;
    }

    pub(super) async fn calls(&self) -> u64 {
        self.xero.simulator.calls("api").await
    }
}

fn query(entity: Entity) -> PageQuery {
    PageQuery { entity, after: None, skip: 0 }
}

#[tokio::test]
async fn every_kind_is_read_whole_and_each_object_as_what_it_is() {
    let books = Books::with_invoices(120).await;

    for (entity, count) in [
        (Entity::Customers, 25),
        (Entity::Vendors, 5),
        (Entity::Invoices, 96),
        (Entity::Bills, 24),
        (Entity::Payments, 32),
        (Entity::BillPayments, 8),
        (Entity::CreditNotes, 1),
        (Entity::Items, 3),
        (Entity::Accounts, 5),
    ] {
        let read = books.walk(entity, None).await;

        assert_eq!(read.records.len(), count, "{entity}");
        assert!(read.records.values().all(|record| record.entity == entity), "{entity}");
        let is_whole = matches!(entity, Entity::Items | Entity::Accounts);
        assert_eq!(read.after.is_none(), is_whole, "{entity}: the next walk reads only what changed");
    }
    let page = books.ledger.page(books.call(), query(Entity::Bills)).await.unwrap();
    assert_eq!(page.passed_over, 0, "Xero leaves the invoices out");
}

#[tokio::test]
async fn a_walk_over_several_pages_misses_nothing() {
    let books = Books::with_invoices(1_500).await;

    let read = books.walk(Entity::Invoices, None).await;

    assert_eq!((read.records.len(), read.pages), (1_200, 3));
    let record = read.records.values().next().unwrap();
    assert!(record.raw.contains(r#""LineItems":[{"#), "pages have lines");
}

#[tokio::test]
async fn more_objects_of_one_second_than_a_page_holds_are_all_read() {
    let books = Books::with_invoices(0).await;
    let contacts: Vec<Value> =
        (0..1_203).map(|number| json!({ "Name": format!("Import {number}") })).collect();
    books.put("contacts", json!({ "Contacts": contacts })).await;

    let read = books.walk(Entity::Customers, None).await;

    assert_eq!(read.records.len(), 25 + 1_203);
}

#[tokio::test]
async fn an_object_that_changes_during_the_walk_hides_no_other() {
    let books = Books::with_invoices(700).await;
    let first = books.ledger.page(books.call(), query(Entity::Invoices)).await.unwrap();
    for record in
        first.records.iter().filter(|record| record.status.as_deref() == Some("AUTHORISED")).take(60)
    {
        books.change("invoices", record.id.as_str(), json!({ "Reference": "changed" })).await;
    }

    let rest = books.walk(Entity::Invoices, first.newest).await;

    let mut seen: Vec<&str> = first.records.iter().map(|record| record.id.as_str()).collect();
    seen.extend(rest.records.keys().map(String::as_str));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 560);
}

#[tokio::test]
async fn an_incremental_walk_reads_what_changed_and_archived_is_not_deleted() {
    let books = Books::with_invoices(20).await;
    let before = books.walk(Entity::Customers, None).await;
    let id = before.records.keys().next().unwrap();
    books.change("contacts", id, json!({ "ContactStatus": "ARCHIVED" })).await;

    let after = books.walk(Entity::Customers, before.after).await;

    assert!(after.records.len() <= 2, "the newest of before, and what changed");
    let archived = &after.records[id];
    assert_eq!((archived.status.as_deref(), archived.deleted), (Some("ARCHIVED"), false));
    assert_eq!(books.walk(Entity::Customers, None).await.records.len(), 25, "a full walk has it, too");
}

#[tokio::test]
async fn many_objects_come_with_one_request_as_the_page_showed_them() {
    let books = Books::with_invoices(30).await;
    let shown = books.walk(Entity::Invoices, None).await.records;
    let bills = books.walk(Entity::Bills, None).await.records;
    let mut wanted: Vec<&str> = shown.keys().map(String::as_str).take(5).collect();
    wanted.push(bills.keys().next().unwrap());
    wanted.push("51b00000-0000-4000-8000-00000000dead");
    let before = books.calls().await;

    let fetched = books.ledger.fetch(books.call(), "invoice", &ids(&wanted)).await.unwrap();

    assert_eq!(books.calls().await, before + 2, "one for all, and one for the one that was left out");
    assert_eq!((fetched.records.len(), fetched.missing, fetched.failed.len()), (6, ids(&wanted[6..]), 0));
    for record in &fetched.records {
        let known = shown.get(record.id.as_str()).or_else(|| bills.get(record.id.as_str()));
        assert_eq!(Some(record), known);
    }
}

#[tokio::test]
async fn a_contact_that_buys_and_sells_is_two_records_archived_or_not() {
    let books = Books::with_invoices(0).await;
    let both = books.walk(Entity::Vendors, None).await.records;
    let wanted: Vec<&str> = both.keys().take(2).map(String::as_str).collect();
    books.change("contacts", wanted[0], json!({ "ContactStatus": "ARCHIVED" })).await;

    let fetched = books.ledger.fetch(books.call(), "contact", &ids(&wanted)).await.unwrap();

    let mut kinds: Vec<_> =
        fetched.records.iter().map(|record| (record.id.as_str(), record.entity)).collect();
    kinds.sort_unstable();
    let expected = wanted.iter().flat_map(|&id| [(id, Entity::Customers), (id, Entity::Vendors)]);
    assert_eq!(kinds, expected.collect::<Vec<_>>());
    assert_eq!(books.ledger.entities("contact"), [Entity::Customers, Entity::Vendors]);
    assert!(books.ledger.entities("prepayment").is_empty());
}

#[tokio::test]
async fn kinds_without_a_list_of_ids_are_fetched_one_by_one() {
    let books = Books::with_invoices(30).await;
    let shown = books.walk(Entity::Payments, None).await.records;
    let wanted: Vec<&str> = shown.keys().map(String::as_str).take(3).collect();

    let fetched = books.ledger.fetch(books.call(), "payment", &ids(&wanted)).await.unwrap();

    assert_eq!(sorted(&fetched), (wanted, vec![], vec![]));
}

#[tokio::test]
async fn the_books_tell_an_ended_token_from_a_lost_organization_a_throttle_and_an_outage() {
    let books = Books::with_invoices(1).await;
    let organization = format!("xero/organizations/{FIRST}");
    let page = async |token: &AccessToken| {
        let call = LedgerCall { token, ..books.call() };
        books.ledger.page(call, query(Entity::Invoices)).await.unwrap_err()
    };

    let dead = page(&AccessToken::new("eyJ.never-issued")).await;
    books.xero.simulator.control("PATCH", &organization, json!({ "offline": true })).await;
    let offline = page(&books.token).await;
    let change = json!({ "offline": false, "forbidden": true });
    books.xero.simulator.control("PATCH", &organization, change).await;
    let forbidden = page(&books.token).await;
    books.xero.simulator.control("PATCH", &organization, json!({ "forbidden": false })).await;
    books.xero.simulator.patch_settings(json!({ "enforceLimits": true, "requestsPerMinute": 0 })).await;
    let throttled = page(&books.token).await;

    let classes = [dead, offline, forbidden].map(|error| class(&error));
    assert_eq!(classes, ["unauthorized", "unavailable", "forbidden"]);
    let LedgerError::Throttled { retry_after: Some(wait) } = throttled else { panic!("{throttled:?}") };
    assert!(wait <= Duration::from_mins(1));
}

/// What a page and a fetch make of the same answer.
async fn asked(status: u16, headers: &[(&str, &str)], body: &str) -> (LedgerError, LedgerError) {
    let xero = Responder::answering(status, headers, body).await;
    let ledger = XeroLedger::new(http::client().unwrap(), xero.url(""));
    let (token, company) = (access_token(), FIRST.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    (
        ledger.page(call, query(Entity::Invoices)).await.unwrap_err(),
        alone(ledger.fetch(LedgerCall { gate: free_gate(), ..call }, "invoice", &ids(&["i"])).await),
    )
}

#[tokio::test]
async fn every_refusal_has_its_meaning_and_tells_no_secret() {
    let expired = r#"{"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: hush"}"#;
    let scope = r#"{"Title":"Unauthorized","Status":401,"Detail":"AuthorizationUnsuccessful"}"#;
    for (status, body, expected) in [
        (401, expired, "unauthorized"),
        (401, "", "unauthorized"),
        (401, scope, "forbidden"),
        (403, "<html>hush</html>", "forbidden"),
        (429, "", "throttled"),
        (400, r#"{"ErrorNumber":10,"Message":"hush"}"#, "refused"),
        (404, "<html>hush</html>", "refused"),
        (412, "", "refused"),
        (408, "", "unavailable"),
        (302, "", "unavailable"),
        (304, "", "unavailable"),
        (500, "hush", "unavailable"),
        (501, "", "unavailable"),
        (503, "", "unavailable"),
        (200, "", "unavailable"),
        (200, "<Response>hush</Response>", "unavailable"),
        (200, r#"{"Invoices":"hush"}"#, "unavailable"),
    ] {
        let (page, fetch) = asked(status, &[("location", "http://127.0.0.1:9/")], body).await;

        assert_eq!((class(&page), class(&fetch)), (expected, expected), "{status} {body}");
        let told = format!("{page:?} {fetch:?} {} {}", chain(&page), chain(&fetch));
        assert!(!told.contains("hush"), "{told}");
    }
}

#[tokio::test]
async fn a_throttle_waits_as_long_as_its_limit_takes() {
    for (headers, seconds) in [
        (vec![("x-rate-limit-problem", "minute"), ("retry-after", "37")], 37),
        (vec![("x-rate-limit-problem", "day"), ("retry-after", "66975")], 3_600),
        (vec![("x-rate-limit-problem", "DayLimit")], 3_600),
        (vec![("x-rate-limit-problem", "concurrent")], 5),
        (vec![("x-rate-limit-problem", "appminute"), ("retry-after", "-1")], 60),
        (vec![], 60),
    ] {
        let (page, _) = asked(429, &headers, "").await;

        let LedgerError::Throttled { retry_after } = page else { panic!("{page:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(seconds)), "{headers:?}");
    }
}

#[tokio::test]
async fn only_xeros_own_404_says_that_an_object_is_gone() {
    let detail = r#"{"Status":404,"Detail":"The resource you're looking for cannot be found"}"#;
    for (headers, body, gone) in [
        (vec![], detail, true),
        (vec![("xero-correlation-id", "c")], "", true),
        (vec![], "<html>Not Found</html>", false),
    ] {
        let xero = Responder::answering(404, &headers, body).await;
        let ledger = XeroLedger::new(http::client().unwrap(), xero.url(""));
        let (token, company) = (access_token(), FIRST.parse().unwrap());
        let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };

        let fetched = ledger.fetch(call, "creditnote", &ids(&["c"])).await.unwrap();

        assert_eq!((fetched.missing.len(), fetched.failed.len()), (usize::from(gone), usize::from(!gone)));
    }
}

#[tokio::test]
async fn a_page_is_asked_for_by_time_in_whole_seconds_and_a_little_earlier() {
    let nothing = r#"{"Status":"OK","Contacts":[]}"#;
    let xero = Responder::start(Script::ByLine(vec![
        ("/Contacts", answer(200, &[], nothing.as_bytes())),
        ("/Invoices", answer(304, &[], b"")),
    ]))
    .await;
    let ledger = XeroLedger::new(http::client().unwrap(), xero.url("/xero"));
    let (token, company) = (access_token(), FIRST.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let after = "2026-11-01T08:00:00.75Z".parse().ok();

    let page = ledger.page(call, PageQuery { entity: Entity::Vendors, after, skip: 1_000 }).await.unwrap();
    let same = ledger.page(call, PageQuery { entity: Entity::Bills, after, skip: 0 }).await.unwrap();

    assert!(page.records.is_empty() && !page.more && same.records.is_empty() && !same.more);
    let request = xero.requests().remove(0);
    insta::assert_snapshot!(request.lines().next().unwrap(), @"GET /xero/api.xro/2.0/Contacts?where=IsSupplier%3D%3Dtrue&order=UpdatedDateUTC+ASC&page=3&pageSize=500&includeArchived=true HTTP/1.1");
    for header in [
        "authorization: Bearer eyJ.hush-access-token",
        "accept: application/json",
        "if-modified-since: 2026-11-01T07:59:59",
        &format!("xero-tenant-id: {FIRST}"),
    ] {
        assert!(request.lines().any(|line| line == header), "{request}");
    }
}

#[tokio::test]
async fn what_comes_without_pages_comes_whole_whatever_changed_since() {
    let items = r#"{"Items":[{"ItemID":"i","UpdatedDateUTC":"/Date(1777034754042)/"}]}"#;
    let xero = Responder::answering(200, &[], items).await;
    let ledger = XeroLedger::new(http::client().unwrap(), xero.url(""));
    let (token, company) = (access_token(), FIRST.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let after = "2026-11-01T08:00:00Z".parse().ok();

    let page = ledger.page(call, PageQuery { entity: Entity::Items, after, skip: 0 }).await.unwrap();

    assert_eq!((page.records.len(), page.more, page.newest), (1, false, None));
    assert!(!xero.requests()[0].contains("if-modified-since"), "what is gone is missed only in the whole");
}

#[tokio::test]
async fn the_first_page_of_a_whole_walk_says_how_many_there_are() {
    let books = Books::with_invoices(700).await;
    let page = async |query| books.ledger.page(books.call(), query).await.unwrap();

    let first = page(query(Entity::Invoices)).await;
    let since = page(PageQuery { after: first.newest, ..query(Entity::Invoices) }).await;
    let items = page(query(Entity::Items)).await;

    assert_eq!((first.total, since.total, items.total), (Some(560), None, None));
}

#[tokio::test]
async fn what_came_before_the_limit_of_a_minute_is_kept() {
    let note = |id: &str| {
        let body = format!(
            r#"{{"CreditNotes":[{{"CreditNoteID":"{id}","UpdatedDateUTC":"/Date(1777034754042)/"}}]}}"#
        );
        answer(200, &[], body.as_bytes())
    };
    let xero = Responder::start(Script::ByLine(vec![
        ("/CreditNotes/n-1", note("n-1")),
        ("/CreditNotes/n-2", note("n-2")),
        ("/CreditNotes/", answer(429, &[("retry-after", "7"), ("x-rate-limit-problem", "minute")], b"")),
    ]))
    .await;
    let ledger = XeroLedger::new(http::client().unwrap(), xero.url("/xero"));
    let (token, company) = (access_token(), FIRST.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let ids = ["n-1", "n-2", "n-3", "n-4"].map(|id| id.parse().unwrap());

    let fetched = ledger.fetch(call, "creditnote", &ids).await.unwrap();
    let held = ledger.fetch(call, "creditnote", &ids[2..]).await;
    let nothing = ledger.fetch(LedgerCall { gate: free_gate(), ..call }, "creditnote", &ids[2..]).await;

    let came: Vec<_> = fetched.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!((came, fetched.failed.len(), fetched.missing.len()), (vec!["n-1", "n-2"], 0, 0));
    let is_throttle = |error: &LedgerError| matches!(error, LedgerError::Throttled { retry_after: Some(wait) } if wait.as_secs() == 7);
    assert!(fetched.stopped.as_ref().is_some_and(is_throttle), "{:?}", fetched.stopped);
    assert!(nothing.as_ref().is_err_and(is_throttle), "{nothing:?}");
    assert!(matches!(held, Err(LedgerError::Held(_))), "nobody asks while it throttles: {held:?}");
}
