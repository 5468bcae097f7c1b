//! QuickBooks' feed of changes against the simulator: what it tells with how many requests.

use domain::{
    id::ProviderCompanyId,
    secret::AccessToken,
    sync::{Changes, Entity, Ledger as _, LedgerCall, LedgerError},
};
use jiff::{SignedDuration, Timestamp};
use providers::{http, quickbooks::QuickBooksLedger};
use serde_json::{Value, json};

use super::class;
use crate::{
    quickbooks::Intuit,
    responder::{Responder, Script, answer},
    support::{access_token, company, free_gate},
};

/// A company, and the moment since which its books are asked about.
struct Books {
    intuit: Intuit,
    token: AccessToken,
    company: ProviderCompanyId,
    since: Timestamp,
}

impl Books {
    async fn with(customers: usize, invoices: usize) -> Self {
        let intuit = Intuit::with_books(customers, invoices).await;
        let token = intuit.connect().await.access;
        let now = intuit.simulator.control("GET", "clock", json!({})).await;
        let since = now["now"].as_str().unwrap().parse().unwrap();
        Self { intuit, token, company: company(), since }
    }

    async fn control(&self, path: &str, body: Value) -> Value {
        let path = format!("intuit/companies/{}/entities/{path}", self.company);
        self.intuit.simulator.control("POST", &path, body).await
    }

    async fn changes(&self, entities: &[Entity], since: Timestamp) -> (Result<Changes, LedgerError>, u64) {
        let before = self.intuit.simulator.calls("api").await;
        let call =
            LedgerCall { token: &self.token, company: &self.company, location: None, gate: free_gate() };
        let changes = self.intuit.ledger.changes(call, entities, since).await;
        (changes, self.intuit.simulator.calls("api").await - before)
    }
}

fn deleted(changes: &Changes, entity: Entity) -> Vec<&str> {
    let of_kind = changes.deleted.iter().filter(|(kind, ..)| *kind == entity);
    of_kind.map(|(_, id, _)| id.as_str()).collect()
}

fn ids<'a>(touched: &'a Value, list: &str) -> Vec<&'a str> {
    touched[list].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

#[tokio::test]
async fn one_request_tells_what_changed_was_voided_deleted_and_merged_away_in_every_kind() {
    let books = Books::with(25, 60).await;
    let touched = books.control("invoice/bulk", json!({ "update": 5, "delete": 2, "void": 3 })).await;
    books.control("customer/4/merge", json!({ "deletedId": "7" })).await;

    let (changes, requests) = books.changes(Entity::ALL, books.since).await;

    let changes = changes.unwrap();
    assert_eq!((requests, changes.unreadable, &changes.complete[..]), (1, 0, Entity::ALL));
    assert_eq!(deleted(&changes, Entity::Invoices), ids(&touched, "deleted"));
    assert_eq!(deleted(&changes, Entity::Customers), ["7"], "merged away");
    assert!(changes.deleted.iter().all(|(.., at)| *at + SignedDuration::from_secs(1) >= books.since));
    let void = changes.records.iter().filter(|record| record.status.as_deref() == Some("Voided"));
    assert_eq!(void.map(|record| record.id.as_str()).collect::<Vec<_>>(), ids(&touched, "voided"));
    assert_eq!(changes.records.len(), 5 + 3 + 1);
}

#[tokio::test]
async fn nothing_that_changed_is_complete_and_nothing_that_is_asked_for_is_not_asked() {
    let books = Books::with(3, 3).await;

    let (changes, requests) = books.changes(Entity::ALL, books.since).await;
    let (nothing, none) = books.changes(&[], books.since).await;

    let changes = changes.unwrap();
    assert_eq!((changes.records.len(), changes.complete.len(), requests), (0, Entity::ALL.len(), 1));
    assert_eq!((nothing.unwrap().complete.len(), none), (0, 0));
}

#[tokio::test]
async fn more_changes_than_one_answer_holds_are_asked_for_kind_by_kind() {
    let books = Books::with(500, 700).await;
    books.control("customer/bulk", json!({ "update": 450 })).await;
    let touched = books.control("invoice/bulk", json!({ "update": 600, "delete": 20 })).await;

    let (changes, requests) = books.changes(&[Entity::Customers, Entity::Invoices], books.since).await;

    let changes = changes.unwrap();
    assert_eq!(requests, 3, "one for both, and one for each");
    assert_eq!(changes.complete, [Entity::Customers, Entity::Invoices]);
    assert_eq!(changes.records.len(), 450 + 600, "none of them twice");
    assert_eq!(deleted(&changes, Entity::Invoices), ids(&touched, "deleted"));
}

#[tokio::test]
async fn a_kind_of_which_alone_there_is_more_than_one_answer_holds_is_not_complete() {
    let books = Books::with(25, 1_500).await;
    books.control("customer/bulk", json!({ "update": 5 })).await;
    books.control("invoice/bulk", json!({ "update": 1_100, "delete": 20 })).await;

    let (changes, requests) =
        books.changes(&[Entity::Customers, Entity::Invoices, Entity::Bills], books.since).await;
    let (alone, one) = books.changes(&[Entity::Invoices], books.since).await;

    let (changes, alone) = (changes.unwrap(), alone.unwrap());
    assert_eq!((requests, &changes.complete[..]), (4, &[Entity::Customers, Entity::Bills][..]));
    assert_eq!((changes.records.len(), changes.deleted.len()), (1_005, 0), "deletions are left out first");
    assert_eq!(
        (one, alone.complete.len(), alone.records.len()),
        (1, 0, 1_000),
        "asked again it says the same"
    );
}

#[tokio::test]
async fn as_far_back_as_it_reaches_changes_are_told_and_farther_back_nothing_is() {
    let books = Books::with(3, 3).await;
    let reach = books.intuit.ledger.changes_reach().unwrap();

    let (within, _) = books.changes(Entity::ALL, books.since - reach).await;
    let (beyond, _) = books.changes(Entity::ALL, books.since - reach * 2).await;

    assert_eq!(within.unwrap().records.len(), 6);
    assert_eq!(beyond.unwrap().complete, [], "pages and counts are to tell");
}

/// What asking for the changes of two kinds comes to.
async fn asked(answers: Vec<(&'static str, Vec<u8>)>) -> (Result<Changes, LedgerError>, Vec<String>) {
    let intuit = Responder::start(Script::ByLine(answers)).await;
    let ledger = QuickBooksLedger::new(http::client().unwrap(), intuit.url(""));
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let since = "2026-11-01T08:00:00.75Z".parse().unwrap();
    let changes = ledger.changes(call, &[Entity::Bills, Entity::Invoices], since).await;
    (changes, intuit.requests())
}

#[tokio::test]
async fn changes_are_asked_for_from_a_little_earlier_in_intuits_words() {
    let nothing = br#"{"CDCResponse":[{"QueryResponse":[{},{}]}],"time":"2026-11-01T00:00:01-08:00"}"#;
    let (changes, requests) = asked(vec![("/cdc", answer(200, &[], nothing))]).await;

    assert_eq!(changes.unwrap().complete, [Entity::Bills, Entity::Invoices]);
    let line = requests[0].lines().next().unwrap();
    insta::assert_snapshot!(line, @"GET /v3/company/4620816365000000001/cdc?minorversion=75&entities=Bill%2CInvoice&changedSince=2026-11-01T07%3A59%3A59Z HTTP/1.1");
}

#[tokio::test]
async fn what_ends_the_question_ends_it_also_when_it_is_asked_kind_by_kind() {
    let objects: Vec<String> = (0..1_000)
        .map(|id| format!(r#"{{"Id":"{id}","MetaData":{{"LastUpdatedTime":"2026-11-01T08:00:00Z"}}}}"#))
        .collect();
    let cut = format!(r#"{{"CDCResponse":[{{"QueryResponse":[{{"Bill":[{}]}}]}}]}}"#, objects.join(","));
    for (status, expected) in [(401, "unauthorized"), (429, "throttled"), (503, "unavailable")] {
        let (changes, requests) = asked(vec![
            ("Bill%2CInvoice", answer(200, &[], cut.as_bytes())),
            ("/cdc", answer(status, &[], b"")),
        ])
        .await;
        assert_eq!((class(&changes.unwrap_err()), requests.len() > 1), (expected, true), "{status}");

        let (changes, requests) = asked(vec![("/cdc", answer(status, &[], b""))]).await;
        assert_eq!((class(&changes.unwrap_err()), requests.len()), (expected, 1), "{status}");
    }
}

#[tokio::test]
async fn a_kind_that_is_refused_or_an_answer_too_long_to_be_read_keeps_nobody_from_the_others() {
    let nothing = br#"{"CDCResponse":[{"QueryResponse":[{}]}],"time":"2026-11-01T00:00:01-08:00"}"#;
    let refusal = answer(400, &[], br#"{"Fault":{"Error":[{"code":"5020"}],"type":"ValidationFault"}}"#);
    let too_long = answer(200, &[], &vec![b' '; 33 * 1024 * 1024]);
    for together in [&refusal, &too_long] {
        let (changes, requests) = asked(vec![
            ("Bill%2CInvoice", together.clone()),
            ("entities=Bill&", refusal.clone()),
            ("entities=Invoice&", answer(200, &[], nothing)),
        ])
        .await;

        assert_eq!(changes.unwrap().complete, [Entity::Invoices], "bills are read by pages");
        assert_eq!(requests.len(), 3);
    }
}
