//! The ledger over sockets: what is asked for, and what says that an object is gone.

use domain::sync::{Entity, Ledger as _, LedgerCall, LedgerError, PageQuery};
use providers::{http, quickbooks::QuickBooksLedger};

use crate::{
    books::alone,
    responder::Responder,
    support::{access_token, company, free_gate},
};

fn ledger(intuit: &Responder) -> QuickBooksLedger {
    QuickBooksLedger::new(http::client().unwrap(), intuit.url("/intuit"))
}

#[tokio::test]
async fn a_page_is_asked_for_with_the_token_and_a_statement() {
    let intuit = Responder::answering(200, &[], r#"{"QueryResponse":{}}"#).await;
    let (token, company) = (access_token(), company());
    let query = PageQuery { entity: Entity::Vendors, after: "2026-11-01T08:00:00Z".parse().ok(), skip: 1000 };

    let page = ledger(&intuit)
        .page(LedgerCall { token: &token, company: &company, location: None, gate: free_gate() }, query)
        .await
        .unwrap();

    assert!(page.records.is_empty() && !page.more);
    let request = intuit.requests().remove(0);
    let line = request.lines().next().unwrap();
    insta::assert_snapshot!(line, @"GET /intuit/v3/company/4620816365000000001/query?minorversion=75&query=SELECT+*+FROM+Vendor+WHERE+Active+IN+%28true%2C+false%29+AND+MetaData.LastUpdatedTime+%3E%3D+%272026-11-01T08%3A00%3A00Z%27+ORDERBY+MetaData.LastUpdatedTime+ASC+STARTPOSITION+1001+MAXRESULTS+1000 HTTP/1.1");
    for header in ["authorization: Bearer eyJ.hush-access-token", "accept: application/json"] {
        assert!(request.lines().any(|line| line == header), "{request}");
    }
}

#[tokio::test]
async fn only_intuits_own_word_says_that_an_object_is_gone() {
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let missing =
        r#"{"Fault":{"Error":[{"Message":"Object Not Found","code":"610"}],"type":"ValidationFault"}}"#;
    let refused = r#"{"Fault":{"Error":[{"Message":"Stale","code":"5010"}],"type":"ValidationFault"}}"#;
    let deleted = r#"{"Invoice":{"domain":"QBO","status":"Deleted","Id":"130"},"time":"now"}"#;
    for (status, body, gone) in [
        (404, missing, true),
        (404, "", false),
        (400, missing, true),
        (200, deleted, true),
        (400, refused, false),
        (500, missing, false),
    ] {
        let intuit = Responder::answering(status, &[], body).await;

        let fetched = ledger(&intuit).fetch(call, "invoice", &["130".parse().unwrap()]).await;

        let said = fetched.as_ref().is_ok_and(|fetched| fetched.missing.len() == 1);
        assert_eq!(said, gone, "{status} {body}: {fetched:?}");
        let request = intuit.requests().remove(0);
        let line = format!("GET /intuit/v3/company/{company}/invoice/130?minorversion=75 HTTP/1.1");
        assert_eq!(request.lines().next(), Some(&*line));
    }
}

#[tokio::test]
async fn an_id_of_dots_does_not_climb_out_of_its_path() {
    let intuit = Responder::answering(404, &[], "").await;
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };

    for id in [".", ".."] {
        let fetched = ledger(&intuit).fetch(call, "invoice", &[id.parse().unwrap()]).await;

        assert!(matches!(alone(fetched), LedgerError::Refused { .. }), "{id}");
    }
    assert!(intuit.requests().is_empty());
}
