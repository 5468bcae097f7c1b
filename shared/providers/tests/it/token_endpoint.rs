//! The token endpoint over sockets: what is sent, and what every way to lose an answer means.

use std::time::Duration;

use domain::{
    refresh::policy::DEFAULT_POST_TIMEOUT,
    secret::{AuthorizationCode, CodeVerifier, RefreshToken},
    store::chain,
    token::{CodeGrant, TokenEndpoint as _, TokenEndpointError},
};
use providers::settings::QuickBooksSettings;
use tokio::{net::TcpListener, time::Instant};

use crate::{
    responder::{Responder, Script, answer},
    support::{REFRESH_TOKEN, SECRET, code_grant, endpoint, now, refresh_at, settings},
};

const ISSUED: &str =
    r#"{"token_type":"bearer","access_token":"eyJ.access","expires_in":3600,"refresh_token":"RT1-1-H0-x"}"#;

#[tokio::test]
async fn a_refresh_is_sent_as_intuit_asks() {
    let intuit = Responder::answering(200, &[], ISSUED).await;

    let tokens = refresh_at(intuit.url("/oauth2/v1/tokens/bearer")).await.unwrap();

    assert_eq!(tokens.access_expires_at.duration_since(now()).as_secs(), 3600);
    assert_eq!(intuit.requests().len(), 1);
    let request = intuit.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, format!("grant_type=refresh_token&refresh_token={REFRESH_TOKEN}"));
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /oauth2/v1/tokens/bearer HTTP/1.1"));
    let lines: Vec<&str> = lines.collect();
    for line in [
        // ABx1:hush-client-secret
        "authorization: Basic QUJ4MTpodXNoLWNsaWVudC1zZWNyZXQ=",
        "accept: application/json",
        "content-type: application/x-www-form-urlencoded",
        "x-include-refresh-token-hard-expires-in: true",
    ] {
        assert!(lines.contains(&line), "{line} is not in {lines:?}");
    }
}

#[tokio::test]
async fn an_exchange_sends_the_code_with_the_address_it_was_given_to() {
    let intuit = Responder::answering(200, &[], ISSUED).await;
    let endpoint = endpoint(settings(intuit.url("/bearer")));

    let (code, verifier) = (AuthorizationCode::new("AB+1/2"), CodeVerifier::new("v-1~2"));
    let grant = code_grant(&code, "https://app.example/cb?a=b");

    endpoint.exchange(grant).await.unwrap();
    endpoint.exchange(CodeGrant { verifier: Some(&verifier), ..grant }).await.unwrap();

    let request = intuit.requests().remove(1);
    assert!(request.ends_with("&code_verifier=v-1%7E2"), "{request}");
    let request = intuit.requests().remove(0);
    let body =
        "grant_type=authorization_code&code=AB%2B1%2F2&redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fa%3Db";
    assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
}

#[tokio::test]
async fn a_connection_that_never_came_up_carried_nothing() {
    // Taken and given back, so that nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let plain = Responder::answering(200, &[], ISSUED).await;
    let mut tls = plain.url("/bearer");
    tls.set_scheme("https").unwrap();

    for url in [format!("http://127.0.0.1:{port}/").parse().unwrap(), tls] {
        let refreshed = refresh_at(url).await;

        assert!(matches!(refreshed, Err(TokenEndpointError::Unreached(_))), "{refreshed:?}");
    }
    assert!(
        plain.requests().iter().all(|heard| !heard.contains("refresh_token")),
        "the token left without TLS"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_ends_long_before_the_wait_for_an_answer_would() {
    let silent = Responder::start(Script::Silence).await;
    let mut url = silent.url("/bearer");
    url.set_scheme("https").unwrap();
    let settings = QuickBooksSettings { post_timeout: DEFAULT_POST_TIMEOUT, ..settings(url) };
    let begun = Instant::now();

    let refreshed = endpoint(settings).refresh(&RefreshToken::new(REFRESH_TOKEN), None).await;

    assert!(matches!(refreshed, Err(TokenEndpointError::Unreached(_))), "{refreshed:?}");
    assert_eq!(begun.elapsed().as_secs(), providers::http::CONNECT_TIMEOUT.as_secs());
}

#[tokio::test]
async fn an_answer_that_is_lost_may_have_been_committed() {
    let whole = answer(200, &[], ISSUED.as_bytes());
    for (name, bytes) in [
        ("nothing at all", Vec::new()),
        ("half a head", b"HTTP/1.1 200 O".to_vec()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()),
        ("half a body", whole[..whole.len() - 5].to_vec()),
        ("half an error", b"HTTP/1.1 500 Some\r\ncontent-length: 50\r\n\r\n<html>".to_vec()),
        ("half a chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n80\r\n{\"acc".to_vec()),
        ("no gzip", answer(200, &[("content-encoding", "gzip")], ISSUED.as_bytes())),
    ] {
        let intuit = Responder::start(Script::Bytes(bytes)).await;

        let refreshed = refresh_at(intuit.url("/bearer")).await;

        assert!(matches!(refreshed, Err(TokenEndpointError::Unknown { .. })), "{name}: {refreshed:?}");
        assert_eq!(intuit.requests().len(), 1, "{name}: a refresh must not be sent again");
    }
}

#[tokio::test]
async fn the_configured_timeout_ends_the_wait_with_nothing_known() {
    let head_only = b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n".to_vec();
    let intuit = Responder::start(Script::Silence).await;
    let patience = |url| {
        let mut settings = settings(url);
        settings.post_timeout = Duration::from_millis(100);
        endpoint(settings)
    };

    let refreshed = patience(intuit.url("/bearer")).refresh(&RefreshToken::new(REFRESH_TOKEN), None).await;

    let Err(TokenEndpointError::Unknown { source: Some(source), .. }) = refreshed else {
        panic!("{refreshed:?}")
    };
    assert!(source.downcast_ref::<reqwest::Error>().unwrap().is_timeout(), "{source:?}");
    let intuit = Responder::start(Script::Bytes(head_only)).await;
    let refreshed = patience(intuit.url("/bearer")).refresh(&RefreshToken::new(REFRESH_TOKEN), None).await;
    let Err(TokenEndpointError::Unknown { refusal, .. }) = refreshed else { panic!("{refreshed:?}") };
    assert_eq!(refusal.status, Some(200), "what is known of the answer is kept");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let target = Responder::answering(200, &[], ISSUED).await;
    for status in [301, 302, 303, 307, 308] {
        let location = target.url("/elsewhere").to_string();
        let intuit = Responder::answering(status, &[("location", &location)], "").await;

        let refreshed = refresh_at(intuit.url("/bearer")).await;

        assert!(matches!(refreshed, Err(TokenEndpointError::Failed(_))), "{status}: {refreshed:?}");
    }
    assert!(target.requests().is_empty(), "the token was sent to another host");
}

#[tokio::test]
async fn a_compressed_answer_is_read_but_a_bomb_is_not() {
    let gzip = [("content-encoding", "gzip")];
    let small = Responder::answering(200, &gzip, include_bytes!("answer.json.gz")).await;
    let bomb = Responder::answering(200, &gzip, include_bytes!("bomb.json.gz")).await;

    assert!(refresh_at(small.url("/bearer")).await.is_ok());

    let refreshed = refresh_at(bomb.url("/bearer")).await;
    let Err(TokenEndpointError::Unknown { source: Some(source), .. }) = refreshed else {
        panic!("{refreshed:?}")
    };
    assert_eq!(source.to_string(), "the answer is longer than 262144 bytes");
}

#[tokio::test]
async fn a_body_is_read_to_the_limit_and_no_further() {
    // Leading spaces are JSON: only the limit can refuse them.
    let padded = |bytes: usize| format!("{}{ISSUED}", " ".repeat(bytes - ISSUED.len()));
    let limit = providers::http::TOKEN_BODY_MAX;
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", limit + 1, padded(limit + 1));
    let chunked = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunked.as_bytes()].concat();

    let exact = Responder::answering(200, &[], padded(limit)).await;
    assert!(refresh_at(exact.url("/bearer")).await.is_ok());

    for long in [answer(200, &[], padded(limit + 1).as_bytes()), chunked] {
        let intuit = Responder::start(Script::Bytes(long)).await;
        let refreshed = refresh_at(intuit.url("/bearer")).await;
        assert!(matches!(refreshed, Err(TokenEndpointError::Unknown { .. })), "{refreshed:?}");
    }

    let error = Responder::answering(503, &[], " ".repeat(limit + 1)).await;
    let refreshed = refresh_at(error.url("/bearer")).await;
    assert!(matches!(refreshed, Err(TokenEndpointError::Failed(_))), "{refreshed:?}");
}

#[tokio::test]
async fn retry_after_is_read_against_our_clock() {
    for (value, seconds) in [("90", Some(90)), ("Fri, 20 Nov 2026 12:02:00 GMT", Some(120)), ("-1", None)] {
        let headers = [("retry-after", value), ("intuit_tid", "1-66e1c7a2-x")];
        let intuit = Responder::answering(429, &headers, "<IntuitResponse/>").await;

        let refreshed = refresh_at(intuit.url("/bearer")).await;

        let Err(TokenEndpointError::Throttled { refusal, retry_after }) = refreshed else {
            panic!("{refreshed:?}")
        };
        assert_eq!(retry_after, seconds.map(Duration::from_secs), "{value}");
        assert_eq!((refusal.status, refusal.trace_id.as_deref()), (Some(429), Some("1-66e1c7a2-x")));
    }
}

#[tokio::test]
async fn no_failure_tells_a_secret() {
    let echo =
        format!(r#"{{"error":"{SECRET}!","token":"{REFRESH_TOKEN}","access_token":["{REFRESH_TOKEN}"]}}"#);
    let mut told = Vec::new();
    for status in [200, 302, 400, 401, 429, 500] {
        let headers = [("intuit_tid", REFRESH_TOKEN), ("location", &*echo)];
        let intuit = Responder::answering(status, &headers, &echo).await;
        let error = refresh_at(intuit.url("/bearer")).await.unwrap_err();
        // The trace id is the provider's to choose; everything else must not repeat anything.
        let shown = format!("{error:?} {}", chain(&error));
        told.push(shown.replace(&format!("trace_id: Some(\"{REFRESH_TOKEN}\")"), ""));
    }
    let half = answer(200, &[], echo.as_bytes())[..60].to_vec();
    for bytes in [echo.into_bytes(), half] {
        let broken = Responder::start(Script::Bytes(bytes)).await;
        let error = refresh_at(broken.url(&format!("/bearer?{SECRET}"))).await.unwrap_err();
        told.push(format!("{error:?} {}", chain(&error)));
    }

    assert!(told.iter().all(|told| !told.contains("hush")), "{told:#?}");
}
