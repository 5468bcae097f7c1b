//! Headers that providers get wrong, and what the client is built with.

use reqwest::header::HeaderValue;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn headers(name: &HeaderName, value: &[u8]) -> HeaderMap {
    HeaderMap::from_iter([(name.clone(), HeaderValue::from_bytes(value).unwrap())])
}

#[test]
fn retry_after_is_read_as_seconds_or_date_and_capped() {
    let now = at("1994-11-06T08:49:00Z");
    for (value, seconds) in [
        ("120", Some(120)),
        (" 5 ", Some(5)),
        ("3600", Some(3600)),
        ("3601", Some(3600)),
        ("1000000000", Some(3600)),
        ("99999999999999999999999999", Some(3600)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
        ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3600)),
        ("Sun, 06 Nov 1994 08:48:59 GMT", None),
        ("0", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let asked = retry_after(&headers(&RETRY_AFTER, value.as_bytes()), now);

        assert_eq!(asked, seconds.map(Duration::from_secs), "{value:?}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
    assert_eq!(retry_after(&headers(&RETRY_AFTER, b"\xff"), now), None);
}

#[test]
fn a_date_before_the_end_of_time_is_never_in_the_future_of_it() {
    let date = headers(&RETRY_AFTER, b"Sun, 06 Nov 1994 08:49:37 GMT");

    assert_eq!(retry_after(&date, Timestamp::MAX), None);
    assert_eq!(retry_after(&date, Timestamp::MIN), Some(RETRY_AFTER_MAX));
}

#[test]
fn a_trace_id_outside_the_safe_alphabet_is_not_repeated() {
    let name = HeaderName::from_static("intuit_tid");
    let long = "a".repeat(65);
    for (value, kept) in [
        ("1-66e1c7a2-4f0b.3_x", true),
        (&long[..64], true),
        (&long, false),
        ("", false),
        ("a b", false),
        ("a\"b", false),
        ("<script>", false),
        ("ü", false),
    ] {
        let found = trace_id(&headers(&name, value.as_bytes()), &name);

        assert_eq!(found.as_deref(), kept.then_some(value), "{value:?}");
    }
}

#[test]
fn the_client_can_be_built() {
    assert!(client().is_ok());
}

#[test]
fn tls_trusts_the_compiled_roots_and_offers_both_versions_of_http() {
    let config = tls().unwrap();

    assert!(webpki_roots::TLS_SERVER_ROOTS.len() > 50);
    assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(!config.enable_early_data, "a token must not be sent before the handshake is done");
}
