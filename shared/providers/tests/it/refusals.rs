//! The same answers for pages, fetches and companies: what each means to whoever asked.

use std::time::Duration;

use domain::{
    authorization::{Companies as _, CompanyError, NewGrant},
    store::chain,
    sync::{Entity, Ledger as _, LedgerCall, LedgerError, PageQuery},
};
use providers::{
    http,
    quickbooks::{QuickBooksCompanies, QuickBooksLedger},
};

use crate::{
    books::{alone, class},
    responder::{Responder, Script, answer},
    support::{access_token, company, free_gate},
};

const UNAUTHORIZED: &str = r#"{"fault":{"error":[{"message":"message=AuthenticationFailed; errorCode=003200; statusCode=401","detail":"Token expired: eyJ.hush-access-token","code":"3200"}],"type":"AUTHENTICATION"}}"#;
const THROTTLED: &str = r#"<IntuitResponse><Fault type="SERVICE"><Error code="3001"><Message>message=ThrottleExceeded; errorCode=003001; statusCode=429</Message></Error></Fault></IntuitResponse>"#;
const REFUSED: &str = r#"{"Fault":{"Error":[{"Message":"Invalid query","Detail":"hush","code":"4001"}],"type":"ValidationFault"}}"#;

/// What a page, a fetch and a company answer to the same bytes.
async fn asked(intuit: &Responder) -> (LedgerError, LedgerError, CompanyError) {
    let (http, base) = (http::client().unwrap(), intuit.url(""));
    let ledger = QuickBooksLedger::new(http.clone(), base.clone());
    let (token, company) = (access_token(), company());
    let call = LedgerCall { token: &token, company: &company, location: None, gate: free_gate() };
    let again = LedgerCall { gate: free_gate(), ..call };
    let query = PageQuery { entity: Entity::Invoices, after: None, skip: 0 };
    let grant = NewGrant { access: &token, named: Some(&company), location: None };
    (
        ledger.page(call, query).await.unwrap_err(),
        alone(ledger.fetch(again, "invoice", &["130".parse().unwrap()]).await),
        QuickBooksCompanies::new(http, base).granted(grant).await.unwrap_err(),
    )
}

#[tokio::test]
async fn every_failure_of_the_api_has_its_meaning_and_tells_no_secret() {
    for (status, body, expected, foreign) in [
        (401, UNAUTHORIZED, "unauthorized", true),
        (401, "", "unauthorized", true),
        (403, "<html>Forbidden</html>", "forbidden", true),
        (429, THROTTLED, "throttled", false),
        (400, THROTTLED, "throttled", false),
        (400, REFUSED, "refused", false),
        (400, "stream timeout", "unavailable", false),
        (500, REFUSED, "unavailable", false),
        (504, "stream timeout", "unavailable", false),
        (302, "", "unavailable", false),
        (200, "stream timeout", "unavailable", false),
        (200, UNAUTHORIZED, "unauthorized", false),
        (200, "", "unavailable", false),
    ] {
        let intuit = Responder::answering(status, &[("location", "http://127.0.0.1:9/")], body).await;

        let (page, fetch, company) = asked(&intuit).await;

        assert_eq!((class(&page), class(&fetch)), (expected, expected), "{status} {body}");
        assert_eq!(matches!(company, CompanyError::Foreign), foreign, "{status} {body}");
        let told =
            format!("{page:?} {fetch:?} {company:?} {} {} {}", chain(&page), chain(&fetch), chain(&company));
        assert!(!told.contains("hush"), "{told}");
    }
}

#[tokio::test]
async fn a_throttle_names_its_wait_by_seconds_by_date_or_by_intuits_custom() {
    let date = ("date", "Fri, 20 Nov 2026 12:00:00 GMT");
    for (headers, seconds) in [
        (vec![("retry-after", "7")], 7),
        (vec![("retry-after", "1000000000")], 3600),
        (vec![("retry-after", "Fri, 20 Nov 2026 12:02:00 GMT"), date], 120),
        (vec![("retry-after", "Fri, 20 Nov 2026 12:02:00 GMT")], 60),
        (vec![("retry-after", "-1")], 60),
        (vec![], 60),
    ] {
        let intuit = Responder::answering(429, &headers, THROTTLED).await;

        let (page, _, _) = asked(&intuit).await;

        let LedgerError::Throttled { retry_after } = page else { panic!("{page:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(seconds)), "{headers:?}");
    }
}

#[tokio::test]
async fn a_status_counts_even_when_its_text_is_cut_or_endless() {
    let cut = b"HTTP/1.1 429 Some\r\ncontent-length: 100\r\n\r\n<Intuit".to_vec();
    let endless = answer(429, &[], &vec![b' '; http::ERROR_BODY_MAX + 1]);
    for bytes in [cut, endless] {
        let intuit = Responder::start(Script::Bytes(bytes)).await;

        let (page, fetch, _) = asked(&intuit).await;

        assert_eq!((class(&page), class(&fetch)), ("throttled", "throttled"));
    }
}

#[tokio::test]
async fn a_lost_answer_or_a_page_beyond_the_limit_is_a_failure_of_the_provider() {
    let cut =
        Responder::start(Script::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec())).await;
    let bomb = [("content-encoding", "gzip")];
    let bomb = Responder::answering(200, &bomb, include_bytes!("bomb.json.gz")).await;

    let (page, fetch, company) = asked(&cut).await;
    assert_eq!((class(&page), class(&fetch)), ("unavailable", "unavailable"));
    assert!(matches!(company, CompanyError::Unavailable(_)));

    let (page, fetch, company) = asked(&bomb).await;
    assert_eq!(chain(&page), "the provider could not be read: the answer is longer than 33554432 bytes");
    assert_eq!(chain(&fetch), "the provider could not be read: the answer is longer than 2097152 bytes");
    assert!(matches!(company, CompanyError::Unavailable(_)));
}
