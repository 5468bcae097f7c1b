//! The door for webhooks: each sample event, and everything else that a stranger or a provider may send.

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::webhook::{EventMessage, MAX_KEPT_BODY, RefusalReason};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, StatusCode},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;
use tests::{ManualClock, SeededEntropy};

use crate::{
    aws_endpoint::{AwsCall, AwsEndpoint},
    events,
};

/// How long the queue may take, as long as it is deployed with.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// The function, with the keys of the sample events, before an AWS that counts.
pub(crate) struct Door {
    pub(crate) aws: AwsEndpoint,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) deps: webhook::Deps,
}

/// The variables of the secrets, as the samples are signed; each beside one that it replaces.
pub(crate) fn secrets() -> HashMap<String, String> {
    let secret = |name: &str| {
        let key = events::text(&format!("webhook-{name}.key"));
        (format!("{}_WEBHOOK_SECRET", name.to_uppercase()), format!("former,{}", key.trim()))
    };
    ["quickbooks", "xero", "zoho"].map(secret).into_iter().collect()
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(secrets(), false).await
    }

    /// A door under these secrets, which may be fetched again from what AWS holds.
    pub(crate) async fn with(secrets: HashMap<String, String>, again: bool) -> Self {
        let aws = AwsEndpoint::start().await;
        let sdk = aws.sdk().await;
        let clock = Arc::new(ManualClock::at("2026-11-21T00:00:00Z".parse().unwrap()));
        let entropy = Arc::new(SeededEntropy::new(1));
        let sqs = aws::clients::sqs_within(&sdk, SEND_TIMEOUT);
        let queue = aws::SqsEventQueue::new(sqs, "http://127.0.0.1/queue/events".to_owned());
        let source = again.then(|| {
            let source = edge::live_secrets::SecretSource { sdk, id: "providers".to_owned() };
            (source, webhook::secrets as edge::live_secrets::Read<_>)
        });
        let held = webhook::secrets(&|name| secrets.get(name).cloned()).unwrap();
        let deps = webhook::Deps {
            receiver: domain::webhook::WebhookReceiver::new(Arc::new(queue), clock.clone(), entropy.clone()),
            secrets: edge::live_secrets::LiveSecrets::new(held, source, clock.clone()),
            clock: clock.clone(),
            entropy,
        };
        Self { aws, clock, deps }
    }

    pub(crate) async fn bring(&self, request: &Request) -> Response<String> {
        webhook::handle(&self.deps, request, &"corr_1".parse().unwrap()).await
    }

    /// The status of the answer to a sample.
    pub(crate) async fn sample(&self, name: &str) -> StatusCode {
        self.bring(&events::request(name)).await.status()
    }

    /// The calls that AWS got, by name.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.aws.calls().into_iter().map(|call| call.target).collect()
    }

    /// The messages of every call that put some into the queue.
    fn messages(&self) -> Vec<EventMessage> {
        self.aws.calls().iter().flat_map(messages).collect()
    }
}

fn messages(call: &AwsCall) -> Vec<EventMessage> {
    let entries = call.body["Entries"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| EventMessage::parse(entry["MessageBody"].as_str().unwrap()).unwrap()).collect()
}

/// A request to Intuit's address with this body, signed rightly.
fn signed(body: &[u8]) -> Request {
    let mac = Hmac::<Sha256>::new_from_slice(events::text("webhook-quickbooks.key").trim().as_bytes());
    let digest = mac.unwrap().chain_update(body).finalize().into_bytes();
    let mut request = events::request("webhook-quickbooks.json");
    request.headers_mut().insert("intuit-signature", STANDARD.encode(digest).parse().unwrap());
    *request.body_mut() = Body::Binary(body.to_vec());
    request
}

fn cloud_events(count: usize) -> Vec<u8> {
    let one = |id: usize| json!({"id": id.to_string(), "source": "s", "type": "qbo.invoice.updated.v1", "intuitentityid": "1", "intuitaccountid": "2"});
    serde_json::to_vec(&(0..count).map(one).collect::<Vec<_>>()).unwrap()
}

/// What a stranger sees of an answer: nothing but its status.
fn says_nothing(response: &Response<String>) {
    assert_eq!(response.body(), "");
    let shown: &HeaderMap = response.headers();
    assert!(!shown.contains_key("set-cookie") && !shown.contains_key("content-type"), "{shown:?}");
}

#[tokio::test]
async fn every_sample_is_acknowledged_with_exactly_one_aws_call_and_becomes_its_events() {
    let (qbo, other_qbo) = ("quickbooks_9341454816381446", "quickbooks_9341454816381447");
    let organization = "xero_e629a03c-7ffe-4913-bc94-ff2fdb7f2b2c";
    let demo = "xero_aef86862-2015-4b6b-88bc-d89032cecc50";
    let (books, invoice) = ("zoho_60012345678", "invoice 460000000028144");
    let zoho = [(books, vec![format!("{invoice} updated")])];
    let text = |words: &str| vec![words.to_owned()];
    for (sample, expected) in [
        ("quickbooks", vec![(qbo, text("invoice 130 updated"))]),
        (
            "quickbooks-legacy",
            vec![(qbo, vec!["invoice 130 updated".to_owned(), "customer 58 created".to_owned()])],
        ),
        (
            "quickbooks-companies",
            vec![
                (qbo, vec!["invoice 130 updated".to_owned(), "invoice 131 updated".to_owned()]),
                (other_qbo, text("customer 58 created")),
            ],
        ),
        (
            "quickbooks-merge",
            vec![(qbo, vec!["customer 58 merged".to_owned(), "customer 77 deleted".to_owned()])],
        ),
        ("xero", vec![(organization, text("invoice 44aa0707-f718-4f1c-8d53-f2da9ca59533 updated"))]),
        ("xero-creditnote", vec![(demo, text("creditnote 55d84274-a3da-4829-a7c0-0cab601b95cc created"))]),
        ("zoho", zoho.to_vec()),
        ("zoho-base64", zoho.to_vec()),
        ("zoho-form", zoho.to_vec()),
        ("zoho-fields", zoho.to_vec()),
        ("zoho-query", vec![(books, vec![format!("{invoice} created")])]),
    ] {
        let door = Door::open().await;

        let answer = door.bring(&events::request(&format!("webhook-{sample}.json"))).await;

        assert_eq!(answer.status(), StatusCode::OK, "{sample}");
        says_nothing(&answer);
        assert_eq!(door.calls(), ["AmazonSQS.SendMessageBatch"], "{sample}");
        let messages = door.messages();
        let told: Vec<_> = messages.iter().map(|message| (message.line(), events_of(message))).collect();
        let expected: Vec<_> = expected.into_iter().map(|(line, events)| (line.to_owned(), events)).collect();
        assert_eq!(told, expected, "{sample}");
        assert!(messages.iter().all(|message| message.correlation_id.as_str() == "corr_1"));
    }
}

/// Word, id and operation of each event.
fn events_of(message: &EventMessage) -> Vec<String> {
    let told = |event| {
        let event = serde_json::to_value(event).unwrap();
        ["entity", "id", "operation"].map(|name| event[name].as_str().unwrap().to_owned()).join(" ")
    };
    message.events.iter().map(told).collect()
}

#[tokio::test]
async fn the_sample_of_the_queue_is_what_the_webhook_puts_there() {
    let door = Door::open().await;

    door.sample("webhook-quickbooks.json").await;

    let sample = events::json("sync-events.json");
    let sample = EventMessage::parse(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(door.messages()[0].events, sample.events);
}

#[tokio::test]
async fn xeros_intent_to_receive_is_answered_right_and_costs_nothing() {
    let door = Door::open().await;

    for (sample, status) in [
        ("webhook-xero-intent.json", 200),
        ("webhook-xero-intent-wrong.json", 401),
        ("webhook-xero-intent.json", 200),
    ] {
        let answer = door.bring(&events::request(sample)).await;
        assert_eq!(answer.status(), status, "{sample}");
        says_nothing(&answer);
    }

    assert_eq!(door.calls(), [""; 0]);
}

#[tokio::test]
async fn a_forged_webhook_costs_nothing_and_writes_nothing() {
    let door = Door::open().await;

    let answer = door.bring(&events::request("webhook-quickbooks-forged.json")).await;

    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    says_nothing(&answer);
    assert_eq!(door.calls(), [""; 0]);
}

#[tokio::test]
async fn a_webhook_that_could_not_be_made_durable_is_not_acknowledged() {
    let door = Door::open().await;
    door.aws.go_down();
    assert_eq!(door.sample("webhook-quickbooks.json").await, StatusCode::SERVICE_UNAVAILABLE);

    door.aws.come_back();
    door.aws.refuse(&[("1", false)]);
    assert_eq!(door.sample("webhook-quickbooks-companies.json").await, 503, "one of three was not taken");
    assert_eq!(door.sample("webhook-quickbooks-companies.json").await, 200);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_acknowledged_and_kept() {
    let door = Door::open().await;
    let large = [b"\xff".repeat(MAX_KEPT_BODY), b"end".to_vec()].concat();

    assert_eq!(door.sample("webhook-quickbooks-unreadable.json").await, StatusCode::OK);
    for body in [&large[..], b"", b"{}", b"\"secret\"", &b"[".repeat(10_000)] {
        let answer = door.bring(&signed(body)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        says_nothing(&answer);
    }

    let kept: Vec<_> = door.messages().into_iter().map(|message| message.unreadable.unwrap()).collect();
    let bodies: Vec<_> = kept.iter().map(|kept| STANDARD.decode(&kept.body).unwrap()).collect();
    assert!(bodies[0].starts_with(b"{\"eventNotifications\""));
    assert_eq!(bodies[1], large[..MAX_KEPT_BODY]);
    assert_eq!(kept[1].size, large.len() as u64);
    assert_eq!(kept[4].reason, "not of the known shape, line 1 column 8");
    assert_eq!(door.calls().len(), 6);
}

#[tokio::test]
async fn what_is_not_understood_leaves_a_trace_and_spoils_nothing() {
    let door = Door::open().await;
    let mut some: Vec<Value> = serde_json::from_slice(&cloud_events(2)).unwrap();
    some.push(json!({"type": "qbo.unknown.petted.v1"}));

    for body in [b"[7]".to_vec(), serde_json::to_vec(&some).unwrap(), b"[]".to_vec()] {
        assert_eq!(door.bring(&signed(&body)).await.status(), StatusCode::OK);
    }

    let told: Vec<_> =
        door.messages().iter().map(|message| (message.events.len(), message.unknown)).collect();
    assert_eq!(told, [(0, 1), (2, 1)], "what says nothing at all leaves none");
}

#[tokio::test]
async fn whatever_is_no_webhook_is_refused_and_costs_nothing() {
    let door = Door::open().await;
    let sample = || events::request("webhook-quickbooks.json");
    let header = |name: &'static str, value: &str| {
        let mut request = sample();
        request.headers_mut().append(name, value.parse().unwrap());
        request
    };
    let method = |method: &str| {
        let mut request = sample();
        *request.method_mut() = method.parse().unwrap();
        request
    };
    let right = sample().headers()["intuit-signature"].to_str().unwrap().to_owned();
    let mut unsigned = sample();
    unsigned.headers_mut().remove("intuit-signature");
    let mut empty = unsigned.map(|_| Body::Empty);
    let no_body = std::mem::replace(&mut empty, sample());
    for (what, request, status) in [
        ("GET", method("GET"), 405),
        ("PUT", method("PUT"), 405),
        ("packed", header("content-encoding", "gzip"), 415),
        ("one byte too many", signed(&b" ".repeat(1024 * 1024 + 1)), 413),
        ("one event too many", signed(&cloud_events(1001)), 413),
        ("no signature and no body", no_body, 401),
        ("the signature twice", header("intuit-signature", &right), 401),
        ("a wrong one after it", header("intuit-signature", "AAAA"), 401),
        ("Zoho's, elsewhere", events::request("webhook-zoho-unknown.json"), 404),
    ] {
        let answer = door.bring(&request).await;
        assert_eq!(answer.status(), status, "{what}");
        if status == 401 {
            says_nothing(&answer);
        }
    }
    assert_eq!(door.calls(), [""; 0]);
}

#[tokio::test]
async fn an_address_that_is_none_is_not_found_whatever_is_sent_there() {
    let door = Door::open().await;
    for path in [
        "/webhooks/sage",
        "/webhooks/",
        "/webhooks/quickbooks/x",
        "/webhooks/xero/",
        "/webhooks/zoho",
        "/webhooks/zoho/",
        "/webhooks/zoho/a.b.c",
        "/webhooks/zoho/x/y",
        "/webhooks/Xero",
        "/",
    ] {
        let mut event = events::json("webhook-quickbooks.json");
        event["path"] = json!(path);
        let request = lambda_http::request::from_str(&event.to_string()).unwrap();

        let answer = door.bring(&request).await;

        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.body().contains("zoho"), "a stranger learns of no other address");
    }
    assert_eq!(door.calls(), [""; 0]);
}

#[tokio::test]
async fn as_many_events_as_are_taken_travel_with_one_call() {
    let door = Door::open().await;

    assert_eq!(door.bring(&signed(&cloud_events(1000))).await.status(), StatusCode::OK);

    assert_eq!(door.calls().len(), 1);
    assert_eq!(door.messages()[0].events.len(), 1000);
}

#[tokio::test]
async fn the_next_message_tells_how_many_were_refused_and_one_that_is_lost_gives_them_back() {
    let door = Door::open().await;
    for _ in 0..3 {
        door.sample("webhook-quickbooks-forged.json").await;
    }
    door.sample("webhook-xero-intent-wrong.json").await;
    door.sample("webhook-zoho-unknown.json").await;
    door.bring(&signed(&cloud_events(1001))).await;

    door.aws.go_down();
    assert_eq!(door.sample("webhook-quickbooks-companies.json").await, 503);
    door.aws.come_back();
    let before = door.messages().len();
    for _ in 0..2 {
        assert_eq!(door.sample("webhook-quickbooks-companies.json").await, 200);
    }

    let told: Vec<_> = door.messages()[before..]
        .iter()
        .map(|message| {
            message.refused.iter().map(|one| (one.provider.as_str(), one.reason, one.count)).collect()
        })
        .collect::<Vec<Vec<_>>>();
    let expected = vec![
        ("quickbooks", RefusalReason::BadSignature, 3),
        ("quickbooks", RefusalReason::TooLarge, 1),
        ("xero", RefusalReason::BadSignature, 1),
        ("zoho", RefusalReason::UnknownAddress, 1),
    ];
    assert_eq!(told, [expected, vec![], vec![], vec![]]);
}

#[tokio::test]
async fn a_delivery_that_comes_fifty_times_at_once_is_fifty_times_the_same_event() {
    let door = Door::open().await;
    let request = events::request("webhook-zoho.json");

    let answers = futures::future::join_all((0..50).map(|_| door.bring(&request))).await;

    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    let messages = door.messages();
    assert_eq!(messages.len(), 50);
    assert!(messages.iter().all(|message| message.events == messages[0].events));
    let mut deliveries: Vec<_> = messages.iter().map(|message| message.delivery_id.as_str()).collect();
    deliveries.sort_unstable();
    deliveries.dedup();
    assert_eq!(deliveries.len(), 50, "each is a delivery of its own");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_rightly_signed_is_acknowledged(body in any::<Vec<u8>>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async { Door::open().await.bring(&signed(&body)).await.status() });
        prop_assert_eq!(status, StatusCode::OK);
    }
}
