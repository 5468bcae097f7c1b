//! Writes: each has its effect once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{
    provider::Provider as Name,
    proxy::{Answered, Proxy, Upstream, UpstreamCall, UpstreamError},
};
use lambda_http::http::StatusCode;
use serde_json::Value;

use super::{Called, Script, code};

/// The keys that Intuit was given.
fn keys(called: &Called) -> Vec<String> {
    let asked = called.provider.asked();
    let parameters = asked.iter().flat_map(|asked| domain::proxy::parameters(asked.uri.query().unwrap()));
    parameters.filter(|(name, _)| name == "requestid").map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_sent_again_under_the_same_key() {
    let called = Called::new(Name::QuickBooks).await;
    called.provider.then(Script::Cut);
    let (status, ..) = called.send(("POST", "invoice"), &[], "{}").await;

    let sent = keys(&called);
    assert_eq!((status, sent.len()), (StatusCode::OK, 2));
    assert_eq!(sent[0], sent[1]);

    for _ in 0..2 {
        called.send(("POST", "invoice"), &[("Idempotency-Key", &"mine-1".repeat(20))], "{}").await;
    }
    called.send(("POST", "invoice"), &[], "{}").await;
    let more = keys(&called);
    assert_eq!(more[0], more[1], "the caller's key is the same at the provider each time");
    assert!(more[0].len() <= 50, "{}", more[0]);
    assert!(![&sent[0], &more[0]].contains(&&more[2]), "no two writes share a key that nobody gave them");
}

#[tokio::test]
async fn xero_gets_the_callers_body_as_it_is_and_a_key_that_is_this_tenants() {
    let called = Called::new(Name::Xero).await;
    let key = "k".repeat(128);

    let headers = [("Idempotency-Key", key.as_str())];
    let (status, ..) = called.send(("PUT", "Invoices"), &headers, r#"{"a": 1}"#).await;

    let [asked] = called.provider.asked().try_into().unwrap();
    assert_eq!(
        (status, asked.method.as_str(), &asked.body[..]),
        (StatusCode::OK, "PUT", &br#"{"a": 1}"#[..])
    );
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let sent = asked.header("idempotency-key").unwrap();
    assert!(sent.len() <= 128 && sent != key, "Xero keeps the keys of all tenants in one room: {sent}");
}

#[tokio::test]
async fn a_write_that_may_have_had_its_effect_is_not_repeated_where_nothing_protects_it() {
    let called = Called::new(Name::Zoho).await;
    called.provider.then(Script::Cut);

    let (status, _, body) = called.send(("POST", "invoices"), &[], "{}").await;

    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, code(&body)), (StatusCode::GATEWAY_TIMEOUT, "PROVIDER_OUTCOME_UNKNOWN"), "{body}");
    assert_eq!(called.provider.asked().len(), 1);

    called.provider.then(Script::Cut);
    assert_eq!(called.get("invoices").await.0, StatusCode::OK, "to read twice does no harm");
    drop(called.provider.asked());
    let promised = [("Idempotency-Key", "mine-1")];
    assert_eq!(called.send(("POST", "invoices"), &promised, "{}").await.0, StatusCode::BAD_REQUEST);
    assert!(called.provider.asked().is_empty(), "what Zoho cannot keep is not promised");
}

#[tokio::test]
async fn a_provider_that_is_not_there_was_sent_nothing() {
    let mut called = Called::new(Name::QuickBooks).await;
    let (mut deps, api_key) = crate::api_world::ApiWorld::deps(
        &called.world,
        domain::api_key::Role::Operator,
        Some(&called.tenant),
    )
    .await;
    deps.proxy = super::proxy(&called.world, "http://127.0.0.1:1");
    called.api = crate::api_world::ApiWorld::of(deps, api_key);

    let (status, _, body) = called.send(("POST", "invoice"), &[], "{}").await;

    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, code(&body)), (StatusCode::BAD_GATEWAY, "PROVIDER_API_ERROR"), "{body}");
}

/// A provider that takes one request and is gone.
#[derive(Default)]
struct Going(AtomicBool);

#[async_trait::async_trait]
impl Upstream for Going {
    async fn send(&self, _: UpstreamCall<'_>) -> Result<Answered, UpstreamError> {
        let is_gone = self.0.swap(true, Ordering::SeqCst);
        Err(if is_gone {
            UpstreamError::Unreached("refused".into())
        } else {
            UpstreamError::Unanswered("reset".into())
        })
    }
}

#[tokio::test]
async fn a_write_that_may_have_arrived_is_not_said_to_be_unsent_for_its_repetition_was() {
    let mut called = Called::new(Name::QuickBooks).await;
    let (mut deps, api_key) = crate::api_world::ApiWorld::deps(
        &called.world,
        domain::api_key::Role::Operator,
        Some(&called.tenant),
    )
    .await;
    deps.proxy = Proxy { upstream: Arc::new(Going::default()), ..called.world.proxy() };
    called.api = crate::api_world::ApiWorld::of(deps, api_key);

    let (status, _, body) = called.send(("POST", "invoice"), &[], "{}").await;

    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, code(&body)), (StatusCode::GATEWAY_TIMEOUT, "PROVIDER_OUTCOME_UNKNOWN"), "{body}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_handed_over_says_so() {
    let called = Called::new(Name::QuickBooks).await;
    called.provider.then(Script::Answer(200, vec![], vec![b'a'; 4_500_000]));
    called.provider.then(Script::Answer(200, vec![], vec![b'a'; 4_500_001]));

    let (status, _, body) = called.send(("GET", "query"), &[], "").await;
    assert_eq!((status, body.len()), (StatusCode::OK, 4_500_000));

    let (status, _, body) = called.send(("GET", "query"), &[], "").await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, code(&body)), (StatusCode::BAD_GATEWAY, "PROVIDER_ANSWER_TOO_LARGE"), "{body}");
    assert_eq!(body["error"]["details"]["limit"], 4_500_000);
    assert_eq!(called.provider.asked().len(), 2, "nothing is asked twice for that");
}
