//! Whether there are as many objects as expected, at each provider, with how many requests.

use domain::sync::{Entity, Ledger, LedgerCall, LedgerError};
use serde_json::json;

use super::{class, ledgers, walk, xero, zoho};
use crate::{
    quickbooks::Intuit,
    responder::{Responder, Script, answer},
    support::{access_token, company, free_gate},
};

/// How many live objects of each kind a walk finds.
async fn found(ledger: &dyn Ledger, call: LedgerCall<'_>) -> Vec<(Entity, u64)> {
    let mut found = Vec::new();
    for &entity in Entity::ALL {
        let records = walk(ledger, call, entity, None).await.records;
        found.push((entity, records.values().filter(|record| !record.deleted).count() as u64));
    }
    found
}

#[tokio::test]
async fn quickbooks_counts_all_kinds_in_one_request_inactive_ones_too() {
    let intuit = Intuit::with_invoices(60).await;
    let (token, company) = (intuit.connect().await.access, company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let path = |rest: &str| format!("intuit/companies/{company}/entities/{rest}");
    intuit.simulator.control("PUT", &path("customer/3"), json!({ "Active": false })).await;
    let expected = found(&intuit.ledger, call).await;
    let before = intuit.simulator.calls("api").await;

    let same = intuit.ledger.miscounted(call, &expected).await.unwrap();
    let requests = intuit.simulator.calls("api").await - before;
    let void = json!({ "void": 3, "update": 4 });
    intuit.simulator.control("POST", &path("invoice/bulk"), void).await;
    let voided = intuit.ledger.miscounted(call, &expected).await.unwrap();
    intuit.simulator.control("POST", &path("invoice/bulk"), json!({ "delete": 1 })).await;
    let fewer = intuit.ledger.miscounted(call, &expected).await.unwrap();

    assert_eq!((same, voided, requests), (vec![], vec![], 1));
    assert_eq!(fewer, [Entity::Invoices]);
    assert_eq!(expected[0], (Entity::Customers, 25));
}

#[tokio::test]
async fn xero_counts_each_kind_that_has_pages_without_what_is_deleted() {
    let books = xero::Books::with_invoices(120).await;
    books.put("payments/bulk", json!({ "delete": 3 })).await;
    let expected = found(&books.ledger, books.call()).await;
    let before = books.calls().await;

    let same = books.ledger.miscounted(books.call(), &expected).await.unwrap();
    let requests = books.calls().await - before;
    books.put("invoices/bulk", json!({ "delete": 5, "void": 7 })).await;
    books.put("payments/bulk", json!({ "delete": 5 })).await;
    books.put("contacts", json!({ "Name": "New", "IsSupplier": true })).await;
    books.put("items/bulk", json!({ "delete": 1 })).await;
    let changed = books.ledger.miscounted(books.call(), &expected).await.unwrap();
    let now = found(&books.ledger, books.call()).await;

    assert_eq!((same, requests), (vec![], 7), "items and accounts are read whole each time");
    let documents = [Entity::Invoices, Entity::Bills, Entity::Payments, Entity::BillPayments];
    assert_eq!(changed, [&[Entity::Vendors][..], &documents].concat());
    assert_eq!(books.ledger.miscounted(books.call(), &now).await.unwrap(), []);
}

#[tokio::test]
async fn zoho_is_asked_for_the_page_on_which_the_last_row_should_be() {
    let books = zoho::Books::with_records(2, 199).await;
    let customer = books.walk(Entity::Customers, None).await.records.into_keys().next().unwrap();
    let lines = json!([{ "name": "Design", "rate": 1, "quantity": 1 }]);
    for count in 199..=202 {
        let before = books.calls().await;
        let mut right = Vec::new();
        let candidates = [0, 1, 198, 199, 200, 201, 202, 400, 401];
        for expected in candidates {
            let asked = books.ledger.miscounted(books.call(), &[(Entity::Invoices, expected)]).await;
            right.extend(asked.unwrap().is_empty().then_some(expected));
        }

        assert_eq!(right, [count]);
        assert_eq!(books.calls().await - before, candidates.len() as u64, "one request each");
        books.control("POST", "invoices", json!({ "customer_id": customer, "line_items": lines })).await;
    }
    let none = [(Entity::Bills, 0), (Entity::CreditNotes, 1), (Entity::Customers, 9), (Entity::Items, 9)];
    let before = books.calls().await;
    assert_eq!(books.ledger.miscounted(books.call(), &none).await.unwrap(), [Entity::CreditNotes]);
    assert_eq!(books.calls().await - before, 2, "what is read whole each time is not counted");
}

#[tokio::test]
async fn a_kind_that_is_refused_hides_no_other_and_what_all_would_meet_is_an_error() {
    let of_xero = |name: &str| {
        let body =
            format!(r#"{{"{name}":[],"pagination":{{"page":1,"pageSize":1,"pageCount":0,"itemCount":0}}}}"#);
        answer(200, &[], body.as_bytes())
    };
    let of_zoho = |name: &str| {
        let body = format!(r#"{{"code":0,"{name}":[],"page_context":{{"page":1,"has_more_page":false}}}}"#);
        answer(200, &[], body.as_bytes())
    };
    let (token, company) = (access_token(), "1".parse().unwrap());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let expected = [(Entity::CreditNotes, 1), (Entity::Invoices, 1)];
    for (status, class_of_all) in
        [(400, None), (401, Some("unauthorized")), (429, Some("throttled")), (503, Some("unavailable"))]
    {
        let answers = vec![
            ("/CreditNotes", answer(status, &[], b"")),
            ("/creditnotes", answer(status, &[], b"")),
            ("/Invoices", of_xero("Invoices")),
            ("/invoices", of_zoho("invoices")),
        ];
        let server = Responder::start(Script::ByLine(answers)).await;
        for ledger in ledgers(&server).iter().skip(1) {
            let call = LedgerCall { gate: free_gate(), ..call };
            let asked: Result<Vec<Entity>, LedgerError> = ledger.miscounted(call, &expected).await;

            match class_of_all {
                None => assert_eq!(asked.unwrap(), [Entity::Invoices], "{status}"),
                Some(expected) => assert_eq!(class(&asked.unwrap_err()), expected, "{status}"),
            }
        }
    }
    let silent = Responder::answering(500, &[], "").await;
    for ledger in ledgers(&silent) {
        assert_eq!(ledger.miscounted(call, &[]).await.unwrap(), []);
        assert_eq!(class(&ledger.miscounted(call, &expected).await.unwrap_err()), "unavailable");
    }
}

#[tokio::test]
async fn a_batch_of_counts_is_one_question_in_json() {
    let counted = br#"{"BatchItemResponse":[{"bId":"bill","QueryResponse":{"totalCount":3}}]}"#;
    let intuit = Responder::answering(200, &[], counted).await;
    let [ledger, ..] = ledgers(&intuit);
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };

    assert_eq!(ledger.miscounted(call, &[(Entity::Bills, 3)]).await.unwrap(), []);

    let request = intuit.requests().remove(0);
    insta::assert_snapshot!(request.lines().next().unwrap(), @"POST /v3/company/4620816365000000001/batch?minorversion=75 HTTP/1.1");
    assert!(
        request.ends_with(r#"{"BatchItemRequest":[{"bId":"bill","Query":"SELECT COUNT(*) FROM Bill"}]}"#)
    );
    for header in ["authorization: Bearer eyJ.hush-access-token", "content-type: application/json"] {
        assert!(request.lines().any(|line| line == header), "{request}");
    }
}
