//! A queue that does not take what came: nothing is acknowledged, and the provider's next try has its effect once.

use domain::provider::Provider;
use jiff::Timestamp;
use serde_json::json;

use crate::driver::{Bundle, Fate, Told, Way, sums};

#[tokio::test]
async fn a_webhook_that_the_queue_refuses_is_answered_503_and_has_its_effect_once_when_it_comes_again() {
    let bundle = Bundle::deployed().await;
    let books = bundle.simulator.books(Provider::QuickBooks).await;
    let realm = bundle.simulator.company(0, 1).await;
    let books = crate::driver::Books { companies: vec![realm.clone()], ..books };
    let connection = bundle.tenant().await.connect_to(&books, false).await;
    let address = connection.address().await;
    let told =
        Told { company: realm, id: "1".to_owned(), at: "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap() };
    let signed = address.sign(address.body(&[told]));
    let refusing = Way::to(bundle.stack.value("AWS_ENDPOINT_URL"), |_| Fate::Refuse).await;
    let mut settings = bundle.settings_of("WEBHOOK_FUNCTION").await;
    settings.insert("AWS_ENDPOINT_URL_SQS".to_owned(), refusing.address.clone());
    let cut_off = bundle.copy_with("WEBHOOK_FUNCTION", settings).await;

    for _ in 0..2 {
        let answer = cut_off.take(&signed).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert!(refusing.met(Fate::Refuse) >= 2, "the queue was asked each time");

    let retried = [bundle.bring(&signed).await, bundle.bring(&signed).await];
    let became = bundle.consumed(&retried).await;
    assert_eq!(became, sums(&[&json!({ "applied": 1, "duplicate": 1 })]));
    cut_off.remove().await;
}
