//! What each provider's answers say of its limits.

use domain::limits::Throttle;
use reqwest::header::HeaderValue;

use super::*;

const NO_HEADERS: [(&str, &str); 0] = [];

fn heard_with(provider: Provider, status: u16, headers: &[(&'static str, &str)], body: &str) -> Heard {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    heard_of(provider, (StatusCode::from_u16(status).unwrap(), &all), body.as_bytes())
}

fn waits(heard: &Heard) -> Option<(u64, Throttle)> {
    heard.throttled.map(|throttled| (throttled.wait.as_secs(), throttled.whom))
}

#[test]
fn a_throttle_says_for_how_long_and_for_whom() {
    const QUICKBOOKS: &str = r#"{"Fault":{"Error":[{"Message":"message=ThrottleExceeded; errorCode=003001; statusCode=429","code":"3001"}],"type":"SERVICE"}}"#;
    let problem = |words| [("x-rate-limit-problem", words)];
    let asked = |words, seconds| [("x-rate-limit-problem", words), ("retry-after", seconds)];
    let reset = [("x-rate-limit-reset", "38445")];
    for (provider, status, headers, body, expected) in [
        (Provider::QuickBooks, 429, &NO_HEADERS[..], "", (60, Throttle::Company)),
        (Provider::QuickBooks, 400, &[], QUICKBOOKS, (60, Throttle::Company)),
        (Provider::QuickBooks, 429, &[("retry-after", "7")], "", (7, Throttle::Company)),
        (Provider::Xero, 429, &asked("minute", "23"), "", (23, Throttle::Company)),
        (Provider::Xero, 429, &problem("concurrent"), "", (5, Throttle::Company)),
        (Provider::Xero, 429, &asked("appminute", "41"), "", (41, Throttle::App)),
        (Provider::Xero, 429, &asked("day", "66975"), "", (66_975, Throttle::Day)),
        (Provider::Xero, 429, &asked("DayLimit", "999999"), "", (86_400, Throttle::Day)),
        (Provider::Xero, 429, &problem("daily"), "", (3_600, Throttle::Day)),
        (Provider::Xero, 429, &[], "", (60, Throttle::Company)),
        (Provider::Zoho, 429, &[], r#"{"code":44,"message":""}"#, (60, Throttle::Company)),
        (Provider::Zoho, 429, &[], r#"{"code":1070,"message":""}"#, (60, Throttle::Company)),
        (Provider::Zoho, 200, &[], r#"{"code":1070,"message":""}"#, (60, Throttle::Company)),
        (Provider::Zoho, 429, &reset, r#"{"code":45,"message":""}"#, (38_505, Throttle::Day)),
        (Provider::Zoho, 429, &[], r#"{"code":45,"message":""}"#, (3_600, Throttle::Day)),
        (Provider::Zoho, 429, &[], "", (60, Throttle::Company)),
    ] {
        let heard = heard_with(provider, status, headers, body);

        assert_eq!(waits(&heard), Some(expected), "{provider} {status} {headers:?} {body}");
        assert!(!heard.failed, "a provider that throttles is there");
    }
}

#[test]
fn only_what_a_provider_cannot_do_is_a_failure_of_its_own() {
    for provider in Provider::ALL {
        for (status, failed) in [
            (200, false),
            (304, false),
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (500, true),
            (503, true),
        ] {
            let heard = heard_with(provider, status, &[], "{}");

            assert_eq!((heard.failed, waits(&heard), heard.bytes), (failed, None, 2), "{provider} {status}");
        }
    }
}

#[test]
fn what_is_left_of_a_day_is_heard() {
    let xero = heard_with(Provider::Xero, 200, &[("x-daylimit-remaining", "4987")], "");
    assert_eq!(xero.day, Some(DayTold { limit: None, left: 4987, ends_in: None }));

    let headers =
        [("x-rate-limit-limit", "1000"), ("x-rate-limit-remaining", "705"), ("x-rate-limit-reset", "38445")];
    let zoho = heard_with(Provider::Zoho, 200, &headers, r#"{"code":0}"#);
    let ends_in = Some(Duration::from_secs(38_505));
    assert_eq!(zoho.day, Some(DayTold { limit: Some(1000), left: 705, ends_in }));
    for broken in ["-1", "many", ""] {
        assert_eq!(heard_with(Provider::Zoho, 200, &[("x-rate-limit-remaining", broken)], "").day, None);
    }
}

#[test]
fn a_request_is_of_the_kind_that_its_provider_counts() {
    for (method, path, expected) in [
        (Method::GET, "/v3/company/1/query", Kind::Read),
        (Method::POST, "/v3/company/1/query", Kind::Read),
        (Method::POST, "/v3/company/1/batch", Kind::Batch),
        (Method::POST, "/v3/company/1/invoice", Kind::Write),
        (Method::PUT, "/api.xro/2.0/Invoices", Kind::Write),
        (Method::DELETE, "/books/v3/invoices/1", Kind::Write),
        (Method::GET, "/books/v3/invoices/1", Kind::Read),
    ] {
        assert_eq!(kind(&method, path), expected, "{method} {path}");
    }
}
