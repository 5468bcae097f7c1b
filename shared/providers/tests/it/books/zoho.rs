//! Zoho's books against the simulator, and against fixed answers.

use std::time::Duration;

use domain::{
    id::{Location, ProviderCompanyId},
    secret::AccessToken,
    store::chain,
    sync::{Entity, Fetched, Ledger as _, LedgerCall, LedgerError, PageQuery},
};
use providers::{
    http,
    zoho::{DataCentres, ZohoLedger},
};
use serde_json::{Value, json};
use simulator::Options;

use super::{Walk, alone, class, ids, sorted, walk};
use crate::{
    responder::{Responder, Script, answer},
    support::{access_token, free_gate},
    zoho::Zoho,
};

const ORGANIZATION: &str = Options::ZOHO_US_ORGANIZATION_ID;

/// A connected organization and its books.
pub(super) struct Books {
    zoho: Zoho,
    pub(super) ledger: ZohoLedger,
    token: AccessToken,
    location: Location,
    company: ProviderCompanyId,
}

impl Books {
    pub(super) async fn with_records(contacts: usize, invoices: usize) -> Self {
        let zoho = Zoho::with_records(contacts, invoices).await;
        let (tokens, location) = zoho.connect().await;
        let ledger = ZohoLedger::new(zoho.simulator.http.clone(), zoho.settings.data_centres.clone());
        Self { zoho, ledger, token: tokens.access, location, company: ORGANIZATION.parse().unwrap() }
    }

    pub(super) fn call(&self) -> LedgerCall<'_> {
        LedgerCall {
            token: &self.token,
            company: &self.company,
            location: Some(&self.location),
            gate: free_gate(),
        }
    }

    pub(super) async fn walk(&self, entity: Entity, after: Option<jiff::Timestamp>) -> Walk {
        walk(&self.ledger, self.call(), entity, after).await
    }

    pub(super) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("zoho/organizations/{ORGANIZATION}/records/{path}");
        self.zoho.simulator.control(method, &path, body).await
    }

    pub(super) async fn calls(&self) -> u64 {
        self.zoho.simulator.calls("api").await
    }
}

fn query(entity: Entity) -> PageQuery {
    PageQuery { entity, after: None, skip: 0 }
}

/// The ids of records made so: one for each kind that the simulator does not begin with.
async fn complete(books: &Books) {
    let customer = books.walk(Entity::Customers, None).await.records.into_keys().next().unwrap();
    let vendor = books.walk(Entity::Vendors, None).await.records.into_keys().next().unwrap();
    let lines = json!([{ "name": "Design", "rate": 10.5, "quantity": 1 }]);
    for (path, body) in [
        ("bills", json!({ "vendor_id": vendor, "bill_number": "B-1", "line_items": lines })),
        ("creditnotes", json!({ "customer_id": customer, "line_items": lines })),
        ("customerpayments", json!({ "customer_id": customer, "amount": 10.5 })),
        ("vendorpayments", json!({ "vendor_id": vendor, "amount": 3 })),
    ] {
        books.control("POST", path, body).await;
    }
}

#[tokio::test]
async fn every_kind_is_read_whole_and_each_object_as_what_it_is() {
    let books = Books::with_records(25, 120).await;
    complete(&books).await;

    for (entity, count, is_by_time) in [
        (Entity::Customers, 20, false),
        (Entity::Vendors, 5, false),
        (Entity::Invoices, 120, true),
        (Entity::Bills, 1, true),
        (Entity::Payments, 1, false),
        (Entity::BillPayments, 1, false),
        (Entity::CreditNotes, 1, true),
        (Entity::Items, 4, false),
        (Entity::Accounts, 3, false),
    ] {
        let read = books.walk(entity, None).await;

        assert_eq!((read.records.len(), read.after.is_some()), (count, is_by_time), "{entity}");
        assert!(read.records.values().all(|record| record.entity == entity), "{entity}");
    }
}

#[tokio::test]
async fn a_walk_over_several_pages_misses_nothing_by_time_or_by_place() {
    let books = Books::with_records(530, 450).await;

    let invoices = books.walk(Entity::Invoices, None).await;
    let customers = books.walk(Entity::Customers, None).await;

    assert_eq!((invoices.records.len(), invoices.pages), (450, 3));
    assert_eq!((customers.records.len(), customers.pages), (424, 3));
}

#[tokio::test]
async fn more_objects_of_one_second_than_a_page_holds_are_all_read() {
    let books = Books::with_records(2, 10).await;
    let customer = books.walk(Entity::Customers, None).await.records.into_keys().next().unwrap();
    books.zoho.simulator.control("PUT", "clock", json!({ "frozen": true })).await;
    let lines = json!([{ "name": "Design", "rate": 1, "quantity": 1 }]);
    for _ in 0..230 {
        let body = json!({ "customer_id": customer, "line_items": lines });
        books.control("POST", "invoices", body).await;
    }

    let read = books.walk(Entity::Invoices, None).await;

    assert_eq!(read.records.len(), 240);
}

#[tokio::test]
async fn an_object_that_changes_during_the_walk_hides_no_other() {
    let books = Books::with_records(2, 390).await;
    let first = books.ledger.page(books.call(), query(Entity::Invoices)).await.unwrap();
    for record in first.records.iter().take(30) {
        books.control("PUT", &format!("invoices/{}", record.id), json!({ "reference_number": "x" })).await;
    }

    let rest = books.walk(Entity::Invoices, first.newest).await;

    let mut seen: Vec<&str> = first.records.iter().map(|record| record.id.as_str()).collect();
    seen.extend(rest.records.keys().map(String::as_str));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 390);
}

#[tokio::test]
async fn an_incremental_walk_reads_what_changed_and_void_is_a_status() {
    let books = Books::with_records(5, 120).await;
    let before = books.walk(Entity::Invoices, None).await;
    let id = before.records.keys().next().unwrap();
    books.control("POST", &format!("invoices/{id}/status/void"), json!({})).await;

    let after = books.walk(Entity::Invoices, before.after).await;

    assert_eq!(after.records.len(), 2, "the newest of before, and what changed");
    assert_eq!((after.records[id].status.as_deref(), after.records[id].deleted), (Some("void"), false));
}

#[tokio::test]
async fn a_change_that_leaves_the_time_of_change_as_it_is_is_newer() {
    let books = Books::with_records(5, 3).await;
    books.zoho.simulator.control("PUT", "clock", json!({ "frozen": true })).await;
    let customer = books.walk(Entity::Customers, None).await.records.into_keys().next().unwrap();
    let path = format!("contacts/{customer}");
    let read = async || books.walk(Entity::Customers, None).await.records.remove(&customer).unwrap();
    books.control("PUT", &path, json!({ "outstanding_receivable_amount": 1 })).await;
    let first = read().await;

    books.control("PUT", &path, json!({ "outstanding_receivable_amount": 2 })).await;
    let second = read().await;

    assert_eq!(first.updated_at, second.updated_at);
    assert!(second.is_newer_than(&first) && !read().await.is_newer_than(&second));
}

#[tokio::test]
async fn where_a_time_means_exactly_that_time_the_list_is_gone_through_to_its_end() {
    let books = Books::with_records(2, 450).await;
    books.zoho.simulator.patch_settings(json!({ "takesTimesExactly": true })).await;

    let full = books.walk(Entity::Invoices, None).await;
    let incremental = books.walk(Entity::Invoices, full.after).await;

    assert_eq!((full.records.len(), incremental.records.len()), (450, 450));
}

#[tokio::test]
async fn objects_are_fetched_one_by_one_and_a_contact_as_what_it_is() {
    let books = Books::with_records(10, 12).await;
    complete(&books).await;
    let shown = books.walk(Entity::Invoices, None).await.records;
    let mut wanted: Vec<&str> = shown.keys().map(String::as_str).collect();
    books.control("DELETE", &format!("invoices/{}", wanted[3]), json!({})).await;
    wanted.push("999");
    let before = books.calls().await;

    let fetched = books.ledger.fetch(books.call(), "invoice", &ids(&wanted)).await.unwrap();

    assert_eq!(books.calls().await, before + 13);
    assert_eq!(fetched.missing, ids(&[wanted[3], "999"]));
    assert!(fetched.records.iter().all(|record| record.raw.contains("line_items")), "with their details");
    for (word, entity) in [
        ("contact", Entity::Customers),
        ("contact", Entity::Vendors),
        ("bill", Entity::Bills),
        ("payment", Entity::Payments),
        ("vendorpayment", Entity::BillPayments),
        ("creditnote", Entity::CreditNotes),
        ("item", Entity::Items),
        ("chart_of_account", Entity::Accounts),
    ] {
        let id = books.walk(entity, None).await.records.into_keys().next().unwrap();
        let fetched = books.ledger.fetch(books.call(), word, &ids(&[&id])).await.unwrap();
        assert_eq!((fetched.records[0].entity, fetched.records[0].id.as_str()), (entity, &*id), "{word}");
        assert!(books.ledger.entities(word).contains(&entity), "{word}");
    }
    assert!(books.ledger.entities("expense").is_empty());
}

#[tokio::test]
async fn the_books_tell_a_dead_token_from_a_foreign_organization_and_a_throttle() {
    let books = Books::with_records(1, 1).await;
    let other = Options::ZOHO_EU_ORGANIZATION_ID.parse().unwrap();
    let nowhere: Location = "jp".parse().unwrap();
    let dead = AccessToken::new("1000.never-issued");
    let page = async |call| books.ledger.page(call, query(Entity::Invoices)).await.unwrap_err();

    let dead = page(LedgerCall { token: &dead, ..books.call() }).await;
    let foreign = page(LedgerCall { company: &other, ..books.call() }).await;
    let nowhere = page(LedgerCall { location: Some(&nowhere), ..books.call() }).await;
    books.zoho.simulator.patch_settings(json!({ "enforceLimits": true, "requestsPerMinute": 0 })).await;
    let minute = page(books.call()).await;

    let classes = [dead, foreign, nowhere].map(|error| class(&error));
    assert_eq!(classes, ["unauthorized", "forbidden", "unavailable"]);
    let LedgerError::Throttled { retry_after } = minute else { panic!("{minute:?}") };
    assert_eq!(retry_after, Some(Duration::from_mins(1)));
}

pub(super) fn ledger(zoho: &Responder) -> ZohoLedger {
    let (accounts, api) = (zoho.url("/accounts"), zoho.url("/api"));
    let table = json!({ "us": { "accountsServer": accounts.as_str(), "apiDomain": api.as_str() } });
    ZohoLedger::new(http::client().unwrap(), DataCentres::parse(&table.to_string()).unwrap())
}

/// What a page and a fetch make of the same answer.
async fn asked(status: u16, headers: &[(&str, &str)], body: &str) -> (LedgerError, LedgerError) {
    let zoho = Responder::answering(status, headers, body).await;
    let (token, company) = (access_token(), ORGANIZATION.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let fetched = ledger(&zoho).fetch(call, "invoice", &ids(&["1"])).await;
    let call = LedgerCall { gate: free_gate(), ..call };
    (ledger(&zoho).page(call, query(Entity::Invoices)).await.unwrap_err(), alone(fetched))
}

fn code(code: i64) -> String {
    format!(r#"{{"code":{code},"message":"hush"}}"#)
}

#[tokio::test]
async fn every_refusal_has_its_meaning_by_its_code_whatever_the_status_and_tells_no_secret() {
    for (status, body, expected) in [
        (401, code(57), "unauthorized"),
        (401, code(14), "unauthorized"),
        (401, String::new(), "unauthorized"),
        (200, code(57), "unauthorized"),
        (401, code(6041), "forbidden"),
        (403, code(1), "forbidden"),
        (429, code(44), "throttled"),
        (429, "<html/>".to_owned(), "throttled"),
        (200, code(1070), "throttled"),
        (400, code(2), "refused"),
        (404, code(5), "refused"),
        (404, "<html>hush</html>".to_owned(), "refused"),
        (405, code(1), "refused"),
        (408, String::new(), "unavailable"),
        (302, String::new(), "unavailable"),
        (500, code(1002), "unavailable"),
        (503, String::new(), "unavailable"),
        (200, code(9), "unavailable"),
        (200, code(0), "unavailable"),
        (200, r#"{"invoices":[],"invoice":{}}"#.to_owned(), "unavailable"),
        (200, "hush".to_owned(), "unavailable"),
    ] {
        let (page, fetch) = asked(status, &[("location", "http://127.0.0.1:9/")], &body).await;

        assert_eq!((class(&page), class(&fetch)), (expected, expected), "{status} {body}");
        let told = format!("{page:?} {fetch:?} {} {}", chain(&page), chain(&fetch));
        assert!(!told.contains("hush"), "{told}");
    }
}

#[tokio::test]
async fn a_throttle_waits_as_long_as_its_limit_takes() {
    for (number, headers, seconds) in [
        (44, vec![], 60),
        (1070, vec![], 60),
        (44, vec![("retry-after", "5")], 5),
        (45, vec![("x-rate-limit-reset", "1800")], 1_800),
        (45, vec![("x-rate-limit-reset", "38445")], 3_600),
        (45, vec![("x-rate-limit-reset", "0")], 60),
        (45, vec![], 3_600),
    ] {
        let (page, _) = asked(429, &headers, &code(number)).await;

        let LedgerError::Throttled { retry_after } = page else { panic!("{page:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(seconds)), "{number} {headers:?}");
    }
}

async fn fetched(script: Script, wanted: &[&str]) -> Result<Fetched, LedgerError> {
    let zoho = Responder::start(script).await;
    let (token, company) = (access_token(), ORGANIZATION.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    ledger(&zoho).fetch(call, "invoice", &ids(wanted)).await
}

#[tokio::test]
async fn only_zohos_own_word_says_that_an_object_is_gone() {
    for (status, body, gone) in [
        (404, code(1002), true),
        (400, code(1002), true),
        (200, code(1002), true),
        (404, code(3000), true),
        (404, code(5), false),
        (404, String::new(), false),
        (400, code(3000), false),
    ] {
        let answer = answer(status, &[], body.as_bytes());

        let fetched = fetched(Script::Bytes(answer), &["1"]).await.unwrap();

        assert_eq!((fetched.missing.len(), fetched.failed.len()), (usize::from(gone), usize::from(!gone)));
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_object_spoils_no_other_and_what_all_meet_ends_the_fetch() {
    let one = r#"{"code":0,"invoice":{"invoice_id":"1","created_time":"2026-06-09T09:46:21-0400"}}"#;
    let answers = |last: Vec<u8>| {
        Script::ByLine(vec![
            ("/invoices/1?", answer(200, &[], one.as_bytes())),
            ("/invoices/2?", answer(500, &[], b"")),
            ("/invoices/3?", answer(404, &[], code(1002).as_bytes())),
            ("/invoices/4?", answer(400, &[], code(2).as_bytes())),
            ("/invoices/5?", last),
        ])
    };
    let wanted = ["1", "2", "3", "4", "5", ".."];

    let some = fetched(answers(answer(200, &[], b"{")), &wanted).await.unwrap();
    assert_eq!(sorted(&some), (vec!["1"], vec!["3"], vec!["2", "4", "5", ".."]));

    let none = fetched(answers(answer(401, &[], b"")), &wanted).await.unwrap_err();
    assert_eq!(class(&none), "unauthorized");
    for (status, expected) in [(429, "throttled"), (503, "unavailable")] {
        let until = fetched(answers(answer(status, &[], b"")), &wanted).await.unwrap();
        assert_eq!(sorted(&until), (vec!["1"], vec!["3"], vec!["2", "4"]));
        assert_eq!(until.stopped.as_ref().map(class), Some(expected));
    }
}

#[tokio::test]
async fn a_page_is_asked_for_in_zohos_own_scheme_and_form_of_time() {
    let list = |name: &str| {
        let body = format!(r#"{{"code":0,"{name}":[],"page_context":{{"page":1,"has_more_page":false}}}}"#);
        answer(200, &[], body.as_bytes())
    };
    let answers = vec![("/invoices", list("invoices")), ("/contacts", list("contacts"))];
    let zoho = Responder::start(Script::ByLine(answers)).await;
    let (token, company) = (access_token(), ORGANIZATION.parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let after = "2026-11-01T08:00:00Z".parse().ok();

    ledger(&zoho).page(call, PageQuery { entity: Entity::Invoices, after, skip: 0 }).await.unwrap();
    ledger(&zoho).page(call, PageQuery { entity: Entity::Vendors, after, skip: 400 }).await.unwrap();

    let requests = zoho.requests();
    let lines: Vec<_> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    insta::assert_snapshot!(lines[0], @"GET /api/books/v3/invoices?organization_id=880000101&page=1&per_page=200&sort_order=A&sort_column=last_modified_time&last_modified_time=2026-11-01T07%3A59%3A59%2B0000 HTTP/1.1");
    insta::assert_snapshot!(lines[1], @"GET /api/books/v3/invoices?organization_id=880000101&page=1&per_page=200&sort_order=A&sort_column=created_time HTTP/1.1");
    insta::assert_snapshot!(lines[2], @"GET /api/books/v3/contacts?organization_id=880000101&page=3&per_page=200&sort_order=A&sort_column=created_time&contact_type=vendor HTTP/1.1");
    let header = "authorization: Zoho-oauthtoken eyJ.hush-access-token";
    assert!(requests.iter().all(|request| request.lines().any(|line| line == header)));
}
