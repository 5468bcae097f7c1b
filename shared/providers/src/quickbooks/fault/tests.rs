//! Recorded faults, and everything that only looks like one.

use proptest::prelude::*;

use super::*;

fn told(body: &str) -> (Option<String>, Option<String>, bool) {
    let Fault { code, kind, timed_out } = Fault::parse(body.as_bytes());
    (code, kind, timed_out)
}

fn fault(code: &str, kind: &str) -> (Option<String>, Option<String>, bool) {
    (Some(code.to_owned()), Some(kind.to_owned()), false)
}

#[test]
fn the_recorded_unauthorized_answer_is_read_without_its_detail() {
    let body = r#"{"warnings":null,"intuitObject":null,"fault":{"error":[{"message":"message=AuthenticationFailed; errorCode=003200; statusCode=401",
        "detail":"Token expired: eyJ.secret","code":"3200","element":null}],"type":"AUTHENTICATION"},"report":null,"queryResponse":null,
        "batchItemResponse":[],"attachableResponse":[],"syncErrorResponse":null,"requestId":null,"time":1601391072830,"status":null,"cdcresponse":[]}"#;

    assert_eq!(told(body), fault("3200", "AUTHENTICATION"));
    assert!(!format!("{:?}", Fault::parse(body.as_bytes())).contains("secret"));
}

#[test]
fn the_recorded_validation_fault_is_read() {
    let body = r#"{"Fault":{"Error":[{"Message":"Duplicate Name Exists Error","Detail":"The name supplied already exists. : null","code":"6240","element":""}],"type":"ValidationFault"},"time":"2026-05-05T03:28:39.892-07:00"}"#;

    assert_eq!(told(body), fault("6240", "ValidationFault"));
}

#[test]
fn the_recorded_throttle_in_xml_is_read() {
    let body = r#"<?xml version="1.0"?><IntuitResponse xmlns="http://schema.intuit.com/finance/v3" time="…"><Fault type="SERVICE"><Error code="3001">
        <Message>message=ThrottleExceeded; errorCode=003001; statusCode=429</Message>
        <Detail>The request limit was reached.  Try again later</Detail></Error></Fault></IntuitResponse>"#;

    assert_eq!(told(body), fault("3001", "SERVICE"));
}

#[test]
fn the_code_is_found_in_the_message_where_it_stands_nowhere_else() {
    let message = "message=ThrottleExceeded; errorCode=003001; statusCode=429";

    assert_eq!(
        told(&format!(r#"{{"Fault":{{"Error":[{{"Message":"{message}"}}]}}}}"#)).0.as_deref(),
        Some("3001")
    );
    assert_eq!(
        told(&format!("<Fault><Error><Message>{message}</Message></Error></Fault>")).0.as_deref(),
        Some("3001")
    );
}

#[test]
fn a_code_may_be_a_number() {
    assert_eq!(told(r#"{"Fault":{"Error":[{"code":610}]}}"#).0.as_deref(), Some("610"));
    assert_eq!(told(r#"{"Fault":{"Error":[{"code":"000"}]}}"#).0.as_deref(), Some("0"));
}

#[test]
fn the_gateways_plain_text_is_known_by_itself_only() {
    assert!(told("stream timeout").2);
    assert!(told("  Stream timeout\n").2);
    assert!(!told("upstream timeout or so").2);
    assert!(!told(r#"{"message":"stream timeout"}"#).2);
}

#[test]
fn anything_else_says_nothing() {
    let long = format!(r#"{{"Fault":{{"Error":[{{"code":"{}"}}]}}}}"#, "1".repeat(65));
    for body in [
        "",
        "{}",
        "[]",
        "{",
        "null",
        r#"{"Fault":null}"#,
        r#"{"Fault":{"Error":[]}}"#,
        r#"{"Fault":{"Error":null}}"#,
        r#"{"Fault":{"Error":[{"code":{"a":1}}]}}"#,
        r#"{"Fault":{"Error":[{"code":"a\nb"}]}}"#,
        &long,
        "<html><body>Service Unavailable</body></html>",
        "<Error code=",
        "<Error code=\"610",
        "<Error code=\"6 10\">",
    ] {
        assert_eq!(told(body), (None, None, false), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(Fault::parse(&body));
    }

    #[test]
    fn no_markup_makes_the_parser_panic(body in "[<{](<Error |<Fault |code|type|[=\"> ü{}\\[\\]:,]|errorCode=|[0-9]{1,3}){0,20}") {
        let fault = Fault::parse(body.as_bytes());
        prop_assert!(fault.code.is_none_or(|code| code.bytes().all(|byte| byte.is_ascii_graphic())));
    }
}
