//! The table of answers and what each proves.

use proptest::prelude::*;

use super::*;
use crate::{quickbooks, xero, zoho};

/// How each provider speaks.
static DIALECTS: [(&str, &Dialect); 3] =
    [("quickbooks", &quickbooks::DIALECT), ("xero", &xero::DIALECT), ("zoho", &zoho::DIALECT)];

fn sent_at() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn judged_by(
    dialect: &Dialect,
    (status, body): (u16, &str),
    kept: Option<&RefreshToken>,
) -> Result<TokenSet, TokenEndpointError> {
    let answer = TokenAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        body: body.as_bytes(),
        trace_id: Some("1-abc".to_owned()),
        retry_after: Some(Duration::from_secs(7)),
    };
    answer.judge(dialect, sent_at(), kept).map(|issued| issued.tokens)
}

fn judged(status: u16, body: &str) -> Result<TokenSet, TokenEndpointError> {
    judged_by(&quickbooks::DIALECT, (status, body), None)
}

/// The class and the error code of a judgment, as one word each.
fn class(judged: &Result<TokenSet, TokenEndpointError>) -> (&'static str, Option<&str>) {
    match judged {
        Ok(_) => ("issued", None),
        Err(TokenEndpointError::GrantRefused(refusal)) => ("grant", refusal.error.as_deref()),
        Err(TokenEndpointError::AppRefused(refusal)) => ("app", refusal.error.as_deref()),
        Err(TokenEndpointError::Throttled { refusal, .. }) => ("throttled", refusal.error.as_deref()),
        Err(TokenEndpointError::Failed(refusal)) => ("failed", refusal.error.as_deref()),
        Err(TokenEndpointError::Unreached(_)) => ("unreached", None),
        Err(TokenEndpointError::Unknown { refusal, .. }) => ("unknown", refusal.error.as_deref()),
    }
}

/// A full answer with members replaced or, by `null`, taken out.
fn issued_with(changes: &[(&str, serde_json::Value)]) -> String {
    let mut answer = serde_json::json!({
        "token_type": "bearer", "access_token": "eyJ.access", "expires_in": 3600, "refresh_token": "RT1-1-H0-x",
        "x_refresh_token_expires_in": 8_726_400, "x_refresh_token_hard_expires_in": 157_494_248,
    });
    for (name, value) in changes {
        answer[name] = value.clone();
    }
    answer.to_string()
}

#[test]
fn intuits_example_becomes_a_token_set_counted_from_the_request() {
    let tokens = judged(200, &issued_with(&[])).unwrap();

    assert_eq!(tokens.access.expose(), "eyJ.access");
    assert_eq!(tokens.refresh.expose(), "RT1-1-H0-x");
    assert_eq!(tokens.access_expires_at.to_string(), "2026-11-20T13:00:00Z");
    assert_eq!(tokens.refresh_expires_at.unwrap().to_string(), "2027-03-01T12:00:00Z");
    assert_eq!(tokens.hard_expires_at.unwrap().to_string(), "2031-11-17T08:24:08Z");
    assert_eq!(tokens.scopes, None, "Intuit does not say");
}

#[test]
fn a_refusal_carries_what_is_safe_of_the_answer() {
    let Err(TokenEndpointError::Throttled { refusal, retry_after }) = judged(429, "<xml/>") else {
        panic!("429 must throttle");
    };

    assert_eq!(retry_after, Some(Duration::from_secs(7)));
    assert_eq!(refusal, Refusal { error: None, status: Some(429), trace_id: Some("1-abc".to_owned()) });
}

#[test]
fn complete_errors_of_any_shape_prove_that_nothing_was_committed() {
    for status in [301, 302, 307, 308, 400, 401, 403, 404, 405, 413, 415, 500, 502, 503, 504] {
        for body in
            ["", "<html>Bad Gateway</html>", "stream timeout", "{", "[]", "null", r#"{"error":{"a":1}}"#]
        {
            assert_eq!(class(&judged(status, body)), ("failed", None), "{status} {body}");
        }
    }
}

#[test]
fn an_error_code_outside_the_safe_alphabet_is_not_repeated_and_no_verdict() {
    let long = "a".repeat(65);
    for code in ["Invalid_Grant", "invalid grant", "invalid_grant\\n", "", "ü", &long] {
        let body = format!(r#"{{"error":"{code}"}}"#);

        assert_eq!(class(&judged(400, &body)), ("failed", None), "{code}");
    }
    let longest = "a".repeat(64);
    assert_eq!(class(&judged(400, &format!(r#"{{"error":"{longest}"}}"#))), ("failed", Some(&*longest)));
}

#[test]
fn a_success_that_is_not_what_was_promised_may_have_been_committed() {
    let null = serde_json::Value::Null;
    let mut bodies = vec![
        String::new(),
        "ok".to_owned(),
        "<html></html>".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "\"eyJ.access\"".to_owned(),
        issued_with(&[])[..60].to_owned(),
        format!("{} {{}}", issued_with(&[])),
        issued_with(&[("error", "invalid_grant".into())]),
        issued_with(&[("error", "invalid_grant".into()), ("refresh_token", null.clone())]),
        issued_with(&[("error", serde_json::json!({ "code": 1 }))]),
    ];
    bodies.push(issued_with(&[("expires_in", "".into())]));
    for name in ["access_token", "refresh_token", "token_type"] {
        bodies.push(issued_with(&[(name, null.clone())]));
        bodies.push(issued_with(&[(name, "".into())]));
    }
    for token in ["a b", "a\nb", "ü"] {
        bodies.push(issued_with(&[("access_token", token.into())]));
        bodies.push(issued_with(&[("refresh_token", token.into())]));
    }
    bodies.push(issued_with(&[("token_type", "mac".into())]));
    for life in ["0", "-1", "1e12", "1000000000000", "3600.5", "3600.0", "true", "\"3600\"", "[3600]"] {
        bodies.push(issued_with(&[("expires_in", serde_json::from_str(life).unwrap())]));
    }
    for body in bodies {
        assert_eq!(class(&judged(200, &body)).0, "unknown", "{body}");
    }
}

#[test]
fn what_does_not_matter_is_tolerated() {
    for changes in [
        vec![("token_type", "Bearer".into())],
        vec![("token_type", "BEARER".into())],
        vec![("error", serde_json::Value::Null)],
        vec![("id_token", "eyJ".into()), ("surprise", serde_json::json!([{ "a": null }]))],
        vec![("expires_in", 1.into())],
        vec![("expires_in", 86_400.into())],
    ] {
        assert_eq!(class(&judged(200, &issued_with(&changes))).0, "issued", "{changes:?}");
    }
    assert_eq!(class(&judged(201, &issued_with(&[]))).0, "issued");
}

#[test]
fn a_life_that_is_not_said_or_long_is_relied_on_for_a_while() {
    for (life, relied_on) in [("null", 1_800), ("86401", 86_400), ("604800", 86_400)] {
        let body = issued_with(&[("expires_in", serde_json::from_str(life).unwrap())]);

        let tokens = judged(200, &body).unwrap();

        assert_eq!(tokens.access_expires_at.duration_since(sent_at()).as_secs(), relied_on, "{life}");
    }
}

#[test]
fn an_absurd_end_of_the_grant_is_left_out_rather_than_the_tokens() {
    for life in ["0", "-5", "\"8726400\"", "1e12", "99999999999999999999", "316224001", "null", "{}"] {
        let life: serde_json::Value = serde_json::from_str(life).unwrap();
        let changes =
            [("x_refresh_token_expires_in", life.clone()), ("x_refresh_token_hard_expires_in", life)];

        let tokens = judged(200, &issued_with(&changes)).unwrap();

        assert_eq!((tokens.refresh_expires_at, tokens.hard_expires_at), (None, None));
    }
}

#[test]
fn no_failure_tells_what_the_body_said() {
    for body in [
        r#""hush""#.to_owned(),
        r#"{"access_token":["hush"],"refresh_token":"hush"}"#.to_owned(),
        r#"{"access_token":"hush","refresh_token":"hush","expires_in":"hush","token_type":"hush"}"#
            .to_owned(),
        issued_with(&[("refresh_token", "hush hush".into())]),
        issued_with(&[("access_token", "hush".into()), ("error", "hush!".into())]),
    ] {
        let error = judged(200, &body).unwrap_err();

        let told = format!("{error:?} {}", domain::store::chain(&error));
        assert!(!told.contains("hush"), "{told}");
    }
}

#[test]
fn an_absurd_scope_is_left_out_rather_than_the_tokens() {
    for scope in ["1", "[]", "[\"a\"]", "{}", "null", "\"\"", "\" , \"", "\"\u{fc}\""] {
        let scope: serde_json::Value = serde_json::from_str(scope).unwrap();

        let tokens = judged(200, &issued_with(&[("scope", scope.clone())])).unwrap();

        assert_eq!(tokens.scopes, None, "{scope}");
    }
    let endless = format!("{} {}", "a".repeat(129), "b ".repeat(1_000));
    let tokens = judged(200, &issued_with(&[("scope", endless.into())])).unwrap();
    assert_eq!(tokens.scopes.unwrap(), vec!["b"; 100]);
}

proptest! {
    #[test]
    fn no_body_makes_the_judge_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200), status in 200_u16..600, at in 0..DIALECTS.len(),
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = TokenAnswer { status, body: &body, trace_id: None, retry_after: None };
        prop_assert!(answer.judge(DIALECTS[at].1, sent_at(), None).is_err());
    }

    #[test]
    fn no_number_makes_the_judge_panic(
        life in "-?[0-9]{1,25}([.][0-9]{1,3})?([eE][+-]?[0-9]{1,4})?", at in 0..DIALECTS.len(),
    ) {
        let body = issued_with(&[("expires_in", 1.into())]).replace("\"expires_in\":1", &format!("\"expires_in\":{life}"));
        if let Ok(tokens) = judged_by(DIALECTS[at].1, (200, &body), None) {
            prop_assert!(tokens.access_expires_at > sent_at());
            prop_assert!(tokens.access_expires_at.duration_since(sent_at()).as_hours() <= 24);
        }
    }
}
