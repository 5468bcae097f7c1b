//! Every answer of the three token endpoints that is known, and what it proves at exchange and refresh.

use proptest::prelude::*;

use super::*;
use crate::{quickbooks, xero, zoho};

const ISSUED: &str = r#"{"token_type":"Bearer","access_token":"1000.a.b","expires_in":3600,"refresh_token":"r2","scope":"a.READ b.READ"}"#;
/// As Zoho answers a refresh.
const KEPT: &str = r#"{"access_token":"1000.a.b","api_domain":"https://www.zohoapis.com","token_type":"Bearer","expires_in":3600}"#;
const TOO_MANY: &str = r#"{"error_description":"You have made too many requests continuously. Please try again after some time.","error":"Access Denied"}"#;
const THROTTLED: &str =
    r#"<IntuitResponse><Fault type="SERVICE"><Error code="3001"></Error></Fault></IntuitResponse>"#;
const HTML: &str = "<html><body>Bad Gateway</body></html>";

/// The verdict that no answer may come to without the provider's own word.
const GRANT: &str = "grant";

fn sent_at() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn dialect(provider: &str) -> &'static Dialect {
    match provider {
        "quickbooks" => &quickbooks::DIALECT,
        "xero" => &xero::DIALECT,
        _ => &zoho::DIALECT,
    }
}

fn judged(provider: &str, (status, body): (u16, &str), kept: Option<&RefreshToken>) -> Judged {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = TokenAnswer { status, body: body.as_bytes(), trace_id: None, retry_after: None };
    // Only Zoho lets a refresh keep its token.
    let kept = kept.filter(|_| provider == "zoho");
    answer.judge(dialect(provider), sent_at(), kept).map(|issued| issued.tokens)
}

type Judged = Result<TokenSet, TokenEndpointError>;

fn class(judged: &Judged) -> &'static str {
    match judged {
        Ok(_) => "issued",
        Err(TokenEndpointError::GrantRefused(_)) => GRANT,
        Err(TokenEndpointError::AppRefused(_)) => "app",
        Err(TokenEndpointError::Throttled { .. }) => "throttled",
        Err(TokenEndpointError::Failed(_)) => "failed",
        Err(TokenEndpointError::Unreached(_)) => "unreached",
        Err(TokenEndpointError::Unknown { .. }) => "unknown",
    }
}

fn error(code: &str) -> String {
    format!(r#"{{"error":"{code}","error_description":"Token invalid"}}"#)
}

/// The answers to a bare error code, by status.
const CODES: &[(u16, &str, [&str; 3])] = &[
    // status, code, [QuickBooks, Xero, Zoho]
    (400, "invalid_grant", [GRANT, GRANT, "failed"]),
    (400, "invalid_code", ["failed", "failed", GRANT]),
    (400, "invalid_client", ["app", "app", "app"]),
    (400, "unauthorized_client", ["app", "app", "app"]),
    (400, "invalid_request", ["app", "app", "app"]),
    (400, "invalid_scope", ["app", "app", "app"]),
    (400, "unsupported_grant_type", ["app", "app", "app"]),
    (400, "invalid_client_secret", ["failed", "failed", "app"]),
    (400, "invalid_redirect_uri", ["failed", "failed", "app"]),
    (400, "invalid_token", ["failed", "failed", "failed"]),
    (400, "server_error", ["failed", "failed", "failed"]),
    (401, "invalid_client", ["app", "app", "app"]),
    (401, "unauthorized_client", ["app", "app", "app"]),
    (200, "invalid_code", ["failed", "failed", GRANT]),
    (200, "invalid_client", ["app", "app", "app"]),
    (200, "invalid_client_secret", ["failed", "failed", "app"]),
    (200, "invalid_redirect_uri", ["failed", "failed", "app"]),
    (200, "general_error", ["failed", "failed", "failed"]),
    (200, "temporarily_unavailable", ["failed", "failed", "failed"]),
    (200, "access_denied", ["failed", "failed", "failed"]),
    // A verdict needs the status that goes with it.
    (200, "invalid_grant", ["failed", "failed", "failed"]),
    (201, "invalid_code", ["failed", "failed", "failed"]),
    (401, "invalid_grant", ["failed", "failed", "failed"]),
    (401, "invalid_code", ["failed", "failed", GRANT]),
    (403, "invalid_grant", ["failed", "failed", "failed"]),
    (404, "invalid_code", ["failed", "failed", "failed"]),
    (302, "invalid_grant", ["failed", "failed", "failed"]),
    (500, "invalid_grant", ["failed", "failed", "failed"]),
    (500, "invalid_code", ["failed", "failed", "failed"]),
    (503, "invalid_client", ["failed", "failed", "failed"]),
    (429, "invalid_grant", ["throttled", "throttled", "throttled"]),
    (429, "invalid_code", ["throttled", "throttled", "throttled"]),
];

/// The answers of any other form: at QuickBooks, Xero, Zoho's exchange and Zoho's refresh.
const BODIES: &[(u16, &str, [&str; 4])] = &[
    (200, ISSUED, ["issued", "issued", "issued", "issued"]),
    (200, KEPT, ["unknown", "unknown", "unknown", "issued"]),
    (200, TOO_MANY, ["failed", "failed", "throttled", "throttled"]),
    (400, TOO_MANY, ["failed", "failed", "throttled", "throttled"]),
    (200, r#"{"error":"Access Denied"}"#, ["failed", "failed", "failed", "failed"]),
    (200, r#"{"error":"Access Denied","error_description":7}"#, ["failed", "failed", "failed", "failed"]),
    (429, THROTTLED, ["throttled", "throttled", "throttled", "throttled"]),
    (429, "", ["throttled", "throttled", "throttled", "throttled"]),
    (405, "", ["failed", "failed", "failed", "failed"]),
    (400, HTML, ["failed", "failed", "failed", "failed"]),
    (502, HTML, ["failed", "failed", "failed", "failed"]),
    (302, "", ["failed", "failed", "failed", "failed"]),
    (200, HTML, ["unknown", "unknown", "unknown", "unknown"]),
    (400, r#"{"error":"invalid_grant","access_token":"a"}"#, ["unknown", "unknown", "unknown", "unknown"]),
    (200, r#"{"error":"invalid_code","refresh_token":"r"}"#, ["unknown", "unknown", "unknown", "unknown"]),
    (200, "", ["unknown", "unknown", "unknown", "unknown"]),
    (200, "{}", ["unknown", "unknown", "unknown", "unknown"]),
    (200, r#"{"status":"success"}"#, ["unknown", "unknown", "unknown", "unknown"]),
];

#[test]
fn every_error_code_has_its_class_at_each_provider() {
    let kept = RefreshToken::new("r1");
    for (status, code, expected) in CODES {
        for (provider, expected) in ["quickbooks", "xero", "zoho"].into_iter().zip(expected) {
            let body = error(code);
            for kept in [None, Some(&kept)] {
                let judged = judged(provider, (*status, &body), kept);

                assert_eq!(class(&judged), *expected, "{provider} {status} {code} {kept:?}");
            }
        }
    }
}

#[test]
fn every_other_answer_has_its_class_at_each_provider() {
    let kept = RefreshToken::new("r1");
    for (status, body, expected) in BODIES {
        let asked = [("quickbooks", None), ("xero", None), ("zoho", None), ("zoho", Some(&kept))];
        for ((provider, kept), expected) in asked.into_iter().zip(expected) {
            let judged = judged(provider, (*status, body), kept);

            assert_eq!(class(&judged), *expected, "{provider} {status} {body} {kept:?}");
        }
    }
}

#[test]
fn a_refresh_at_zoho_keeps_its_token_unless_it_gets_another() {
    let kept = RefreshToken::new("r1");

    assert_eq!(judged("zoho", (200, KEPT), Some(&kept)).unwrap().refresh.expose(), "r1");
    assert_eq!(judged("zoho", (200, ISSUED), Some(&kept)).unwrap().refresh.expose(), "r2");
    let unusable = KEPT.replace("\"api_domain\"", "\"refresh_token\":\"\",\"api_domain\"");
    assert_eq!(class(&judged("zoho", (200, &unusable), Some(&kept))), "unknown");
}

#[test]
fn too_many_requests_at_zoho_last_ten_minutes_at_least() {
    let answer = |retry_after| TokenAnswer {
        status: StatusCode::OK,
        body: TOO_MANY.as_bytes(),
        trace_id: None,
        retry_after,
    };
    for (asked, waits) in [(None, 10), (Some(1), 10), (Some(20), 20)] {
        let judged = answer(asked.map(Duration::from_mins)).judge(&zoho::DIALECT, sent_at(), None);

        let Err(TokenEndpointError::Throttled { refusal, retry_after }) = judged else {
            panic!("{judged:?}")
        };
        assert_eq!(retry_after, Some(Duration::from_mins(waits)));
        assert_eq!(refusal.error.as_deref(), Some("access_denied"));
    }
}

#[test]
fn milliseconds_of_zoho_are_told_from_seconds() {
    for (life, seconds) in [
        ("3600", 3_600),
        ("3600000", 3_600),
        ("86400", 86_400),
        ("86401", 86),
        ("86400000", 86_400),
        ("86401000", 86_400),
    ] {
        let body = KEPT.replace("3600", life);
        let tokens = judged("zoho", (200, &body), Some(&RefreshToken::new("r1"))).unwrap();

        assert_eq!(tokens.access_expires_at.duration_since(sent_at()).as_secs(), seconds, "{life}");
    }
}

#[test]
fn what_the_provider_says_of_scopes_is_kept_whatever_it_puts_between_them() {
    for separated in ["a.READ b.READ", "a.READ,b.READ", "a.READ, b.READ"] {
        let body = ISSUED.replace("a.READ b.READ", separated);

        let tokens = judged("zoho", (200, &body), None).unwrap();

        assert_eq!(tokens.scopes.unwrap(), ["a.READ", "b.READ"]);
    }
    assert_eq!(judged("zoho", (200, KEPT), Some(&RefreshToken::new("r1"))).unwrap().scopes, None);
}

#[test]
fn zoho_need_not_name_the_token_type_but_may_name_no_other() {
    let kept = RefreshToken::new("r1");
    let of = |kind: &str| {
        class(&judged("zoho", (200, &KEPT.replace(r#""token_type":"Bearer","#, kind)), Some(&kept)))
    };

    assert_eq!(of(""), "issued");
    assert_eq!(of(r#""token_type":"mac","#), "unknown");
}

/// Pieces that answers are made of, the words of all three providers among them.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("invalid_grant".to_owned()),
        Just("invalid_code".to_owned()),
        Just("invalid_client".to_owned()),
        Just("invalid_token".to_owned()),
        Just("Invalid_Grant".to_owned()),
        Just(" invalid_code".to_owned()),
        Just("Access Denied".to_owned()),
        "[a-z_]{0,20}",
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop_oneof![
        piece().prop_map(|code| format!(r#"{{"error":"{code}"}}"#)),
        piece().prop_map(|code| format!(r#"{{"error_description":"{code}","error":"x"}}"#)),
        piece().prop_map(|code| format!(r#"{{"error":{{"error":"{code}"}}}}"#)),
        piece().prop_map(|code| format!(r#"{{"code":"{code}"}}"#)),
        piece().prop_map(|code| format!(r#"[{{"error":"{code}"}}]"#)),
        piece().prop_map(|code| format!(r#"{{"error":"{code}","access_token":"a"}}"#)),
        piece().prop_map(|code| format!(r#"{{"error":"{code}""#)),
        piece().prop_map(|code| format!("<html>{code}</html>")),
        piece(),
        ".{0,60}",
    ]
}

proptest! {
    #[test]
    fn no_answer_without_the_providers_own_word_in_its_own_form_is_a_verdict_on_the_grant(
        status in prop_oneof![Just(200_u16), Just(400), Just(401), 200_u16..600],
        body in body(),
        provider in prop_oneof![Just("quickbooks"), Just("xero"), Just("zoho")],
        refreshes: bool,
    ) {
        let (word, statuses): (_, &[u16]) =
            if provider == "zoho" { ("invalid_code", &[200, 400, 401]) } else { ("invalid_grant", &[400]) };
        let is_said = body == format!(r#"{{"error":"{word}"}}"#);
        let kept = RefreshToken::new("r1");

        let judged = judged(provider, (status, &body), refreshes.then_some(&kept));

        prop_assert_eq!(class(&judged) == GRANT, is_said && statuses.contains(&status), "{:?}", judged);
    }
}
