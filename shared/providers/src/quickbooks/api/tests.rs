//! What each answer of the data API becomes.

use super::*;

fn failure(status: u16, code: Option<&str>) -> Failure {
    Failure {
        status: StatusCode::from_u16(status).unwrap(),
        fault: Fault { code: code.map(str::to_owned), ..Fault::default() },
        retry_after: None,
        trace_id: Some("1-abc".to_owned()),
    }
}

fn class(failure: Failure) -> &'static str {
    match LedgerError::from(failure) {
        LedgerError::Unauthorized => "unauthorized",
        LedgerError::Forbidden => "forbidden",
        LedgerError::Throttled { .. } => "throttled",
        LedgerError::Refused { .. } => "refused",
        LedgerError::Unavailable(_) => "unavailable",
        LedgerError::Held(_) => "held",
    }
}

#[test]
fn answers_are_classed_by_status_then_by_fault() {
    for (status, code, expected) in [
        (401, Some("3200"), "unauthorized"),
        (401, None, "unauthorized"),
        (403, Some("3100"), "forbidden"),
        (403, None, "forbidden"),
        (429, Some("3001"), "throttled"),
        (429, None, "throttled"),
        (400, Some("2010"), "refused"),
        (400, None, "refused"),
        (400, Some("3001"), "throttled"),
        (400, Some("3200"), "unauthorized"),
        (400, Some("3100"), "forbidden"),
        (404, None, "refused"),
        (405, None, "refused"),
        (408, None, "unavailable"),
        (302, None, "unavailable"),
        (500, Some("10000"), "unavailable"),
        (500, Some("3200"), "unavailable"),
        (503, None, "unavailable"),
        (504, None, "unavailable"),
        (200, Some("3001"), "throttled"),
        (200, Some("3200"), "unauthorized"),
        (200, Some("3100"), "forbidden"),
        (200, Some("4000"), "unavailable"),
    ] {
        assert_eq!(class(failure(status, code)), expected, "{status} {code:?}");
    }
}

#[test]
fn a_gateways_timeout_is_no_refusal_whatever_its_status() {
    let mut timeout = failure(400, None);
    timeout.fault.timed_out = true;

    assert_eq!(class(timeout), "unavailable");
}

#[test]
fn a_throttle_without_a_wish_waits_as_long_as_intuit_documents() {
    let waits = |failure: Failure| match LedgerError::from(failure) {
        LedgerError::Throttled { retry_after } => retry_after,
        _ => None,
    };
    let asked = Failure { retry_after: Some(Duration::from_secs(5)), ..failure(429, None) };

    assert_eq!(waits(failure(429, None)), Some(Duration::from_mins(1)));
    assert_eq!(waits(asked), Some(Duration::from_secs(5)));
}

#[test]
fn only_not_found_says_that_an_object_is_missing() {
    for (status, code, missing) in [
        (404, None, false),
        (404, Some("610"), true),
        (400, Some("610"), true),
        (400, Some("2010"), false),
        (400, None, false),
        (500, Some("610"), false),
        (403, Some("610"), false),
        (410, None, false),
    ] {
        assert_eq!(failure(status, code).says_missing(), missing, "{status} {code:?}");
    }
}

#[test]
fn a_failure_tells_what_intuits_support_asks_for() {
    insta::assert_snapshot!(failure(500, Some("10000")), @"Intuit answered 500, fault 10000, intuit_tid 1-abc");
}

#[test]
fn paths_are_appended_to_the_configured_address() {
    let company = "4620816365000000001".parse().unwrap();
    let url = |base: &str| {
        let api = Api::new(http::client().unwrap(), base.parse().unwrap());
        api.url(&company, &["invoice", "1:2"]).to_string()
    };
    let end = "/v3/company/4620816365000000001/invoice/1:2?minorversion=75";

    assert_eq!(url("https://quickbooks.api.intuit.com"), format!("https://quickbooks.api.intuit.com{end}"));
    for base in ["http://127.0.0.1:9400/intuit", "http://127.0.0.1:9400/intuit/"] {
        assert_eq!(url(base), format!("http://127.0.0.1:9400/intuit{end}"));
    }
}
