//! Many objects of QuickBooks at once.

use domain::sync::{Entity, Ledger as _, LedgerCall, LedgerError, PageQuery};
use providers::{http, quickbooks::QuickBooksLedger};
use serde_json::json;

use super::{class, ids, sorted, walk};
use crate::{
    quickbooks::Intuit,
    responder::{Responder, Script, answer},
    support::{access_token, company, free_gate},
};

const MISSING: &str =
    r#"{"Fault":{"Error":[{"Message":"Object Not Found","code":"610"}],"type":"ValidationFault"}}"#;
const REFUSED: &str = r#"{"Fault":{"Error":[{"Message":"hush","code":"4001"}],"type":"ValidationFault"}}"#;

fn invoice(id: &str) -> String {
    format!(r#"{{"Id":"{id}","MetaData":{{"LastUpdatedTime":"2026-05-05T03:13:29-07:00"}}}}"#)
}

fn single(id: &str) -> Vec<u8> {
    answer(200, &[], format!(r#"{{"Invoice":{}}}"#, invoice(id)).as_bytes())
}

/// What fetching 1, 2 and 3 comes to, and how often Intuit was asked.
async fn fetched(
    answers: Vec<(&'static str, Vec<u8>)>,
) -> (Result<domain::sync::Fetched, LedgerError>, usize) {
    let intuit = Responder::start(Script::ByLine(answers)).await;
    let ledger = QuickBooksLedger::new(http::client().unwrap(), intuit.url(""));
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let fetched = ledger.fetch(call, "invoice", &ids(&["1", "2", "3"])).await;
    (fetched, intuit.requests().len())
}

#[tokio::test]
async fn many_objects_come_with_one_request_and_only_those_left_out_are_asked_for_again() {
    let intuit = Intuit::with_invoices(60).await;
    let token = intuit.connect().await.access;
    let company = company();
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let shown = walk(&intuit.ledger, call, Entity::Invoices, None).await.records;
    let all: Vec<&str> = shown.keys().map(String::as_str).collect();
    let path = format!("intuit/companies/{company}/entities/invoice/{}", all[7]);
    intuit.simulator.control("DELETE", &path, json!({})).await;
    let before = intuit.simulator.calls("api").await;

    let mut wanted = all.clone();
    wanted.push("999999");
    let fetched = intuit.ledger.fetch(call, "invoice", &ids(&wanted)).await.unwrap();

    let requests = intuit.simulator.calls("api").await - before;
    assert_eq!(requests, 4, "two queries, and one question about each that they left out");
    assert_eq!(
        (fetched.records.len(), &fetched.missing, fetched.failed.len()),
        (59, &ids(&[all[7], "999999"]), 0)
    );
    assert!(fetched.records.iter().all(|record| *record == shown[record.id.as_str()]));
}

#[tokio::test]
async fn an_inactive_customer_is_found_among_many() {
    let intuit = Intuit::start().await;
    let token = intuit.connect().await.access;
    let company = company();
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let shown = walk(&intuit.ledger, call, Entity::Customers, None).await.records;
    let wanted: Vec<&str> = shown.keys().take(3).map(String::as_str).collect();
    let path = format!("intuit/companies/{company}/entities/customer/{}", wanted[1]);
    intuit.simulator.control("PUT", &path, json!({ "Active": false })).await;
    let before = intuit.simulator.calls("api").await;

    let fetched = intuit.ledger.fetch(call, "customer", &ids(&wanted)).await.unwrap();

    assert_eq!(fetched.records.len(), 3);
    assert_eq!(intuit.simulator.calls("api").await, before + 1);
}

#[tokio::test]
async fn what_is_wrong_with_one_object_spoils_no_other() {
    let gone = invoice("3").replacen('{', r#"{"status":"Deleted","#, 1);
    let query =
        format!(r#"{{"QueryResponse":{{"Invoice":[{},{{}},{gone},{}]}}}}"#, invoice("1"), invoice("77"));
    let (some, requests) = fetched(vec![
        ("/query?", answer(200, &[], query.as_bytes())),
        ("/invoice/2?", answer(400, &[], REFUSED.as_bytes())),
        ("/invoice/3?", answer(404, &[], MISSING.as_bytes())),
    ])
    .await;
    assert_eq!((sorted(&some.unwrap()), requests), ((vec!["1"], vec!["3"], vec!["2"]), 3));

    for spoiled in [answer(400, &[], REFUSED.as_bytes()), answer(200, &[], b"{")] {
        let (some, requests) = fetched(vec![
            ("/query?", spoiled),
            ("/invoice/1?", single("1")),
            ("/invoice/2?", answer(500, &[], b"")),
            ("/invoice/3?", single("4")),
        ])
        .await;
        assert_eq!((sorted(&some.unwrap()), requests), ((vec!["1"], vec![], vec!["2", "3"]), 4));
    }
}

#[tokio::test]
async fn what_all_would_meet_ends_a_fetch_at_once() {
    for (status, expected) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
    ] {
        let (none, requests) = fetched(vec![("/query?", answer(status, &[], b""))]).await;
        assert_eq!((class(&none.unwrap_err()), requests), (expected, 1), "{status}");

        if status != 500 {
            let query = answer(200, &[], br#"{"QueryResponse":{}}"#);
            let (none, _) = fetched(vec![("/query?", query), ("/invoice/", answer(status, &[], b""))]).await;
            assert_eq!(class(&none.unwrap_err()), expected, "{status} about one");
        }
    }
    let (lost, _) = fetched(vec![]).await;
    assert_eq!(class(&lost.unwrap_err()), "unavailable", "no answer at all");
}

#[tokio::test]
async fn a_page_that_is_too_long_comes_in_smaller_ones() {
    let objects: Vec<String> = (0..100).map(|id| invoice(&id.to_string())).collect();
    let few = format!(r#"{{"QueryResponse":{{"Invoice":[{}]}}}}"#, objects.join(","));
    let intuit = Responder::start(Script::ByLine(vec![
        ("MAXRESULTS+1000", answer(200, &[], &vec![b' '; 33 * 1024 * 1024])),
        ("MAXRESULTS+100", answer(200, &[], few.as_bytes())),
    ]))
    .await;
    let ledger = QuickBooksLedger::new(http::client().unwrap(), intuit.url(""));
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };

    let page = ledger.page(call, PageQuery { entity: Entity::Invoices, after: None, skip: 0 }).await.unwrap();

    assert_eq!((page.records.len(), page.more), (100, true), "a full page of its size is followed");
}
