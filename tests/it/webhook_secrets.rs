//! The secrets of webhooks are held for a bounded time: a rotation is seen, and a flood costs nothing.

use std::{collections::HashMap, time::Duration};

use serde_json::json;

use crate::webhook_door::{Door, secrets};

const FETCH: &str = "secretsmanager.GetSecretValue";
const SEND: &str = "AmazonSQS.SendMessageBatch";

/// A door under secrets that nobody signs with, before an AWS that holds those of the samples.
async fn outdated() -> Door {
    let old = secrets().into_keys().map(|name| (name, "outdated".to_owned())).collect();
    let door = Door::with(old, true).await;
    door.aws.hold_secret(&json!(secrets()).to_string());
    door
}

/// A door under the secrets of the samples, before an AWS that holds the same.
async fn current() -> Door {
    let door = Door::with(secrets(), true).await;
    door.aws.hold_secret(&json!(secrets()).to_string());
    door
}

#[tokio::test]
async fn secrets_are_fetched_again_after_five_minutes_and_otherwise_cost_no_call() {
    let door = current().await;

    for minutes in [0, 5, 1, 4, 1] {
        door.clock.advance(Duration::from_mins(minutes));
        assert_eq!(door.sample("webhook-xero.json").await, 200);
    }

    assert_eq!(door.calls(), [SEND, SEND, FETCH, SEND, SEND, SEND]);
}

#[tokio::test]
async fn the_first_webhook_under_a_new_secret_is_accepted_for_every_provider() {
    for sample in ["webhook-quickbooks.json", "webhook-xero.json", "webhook-zoho.json"] {
        let door = outdated().await;
        door.clock.advance(Duration::from_secs(61));

        assert_eq!(door.sample(sample).await, 200, "{sample}");

        assert_eq!(door.calls(), [FETCH, SEND]);
    }
}

#[tokio::test]
async fn a_provider_that_was_added_is_known_with_its_first_webhook() {
    let mut without = secrets();
    without.remove("ZOHO_WEBHOOK_SECRET");
    let door = Door::with(without, true).await;
    door.aws.hold_secret(&json!(secrets()).to_string());
    door.clock.advance(Duration::from_secs(61));

    assert_eq!(door.sample("webhook-zoho.json").await, 200);
}

#[tokio::test]
async fn a_flood_of_forgeries_costs_one_fetch_a_minute() {
    let door = current().await;

    for second in 0..=150 {
        for forged in ["webhook-quickbooks-forged.json", "webhook-zoho-unknown.json"] {
            assert!(door.sample(forged).await.is_client_error(), "after {second} seconds");
        }
        door.clock.advance(Duration::from_secs(1));
    }

    assert_eq!(door.calls(), [FETCH, FETCH]);
}

#[tokio::test]
async fn while_nothing_can_be_fetched_the_secrets_at_hand_serve_for_an_hour() {
    let door = current().await;
    door.aws.hold_secret("not JSON");

    for minutes in [6, 30, 24] {
        door.clock.advance(Duration::from_mins(minutes));
        assert_eq!(door.sample("webhook-xero.json").await, 200, "{minutes} minutes later");
    }
    door.clock.advance(Duration::from_secs(1));
    let answer = door.bring(&crate::events::request("webhook-xero.json")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.body().contains("WEBHOOK_SECRET_UNAVAILABLE"), "{}", answer.body());
    assert_eq!(door.calls(), [FETCH, SEND, FETCH, SEND, FETCH, SEND, FETCH]);

    door.aws.hold_secret(&json!(secrets()).to_string());
    assert_eq!(door.sample("webhook-xero.json").await, 200, "and again as soon as there are newer ones");
}

#[tokio::test]
async fn a_fetch_that_failed_is_not_repeated_within_the_minute() {
    let door = current().await;
    door.aws.hold_secret("{}");
    door.clock.advance(Duration::from_mins(6));

    for _ in 0..3 {
        assert_eq!(door.sample("webhook-xero.json").await, 200);
        door.clock.advance(Duration::from_secs(10));
    }

    assert_eq!(door.calls(), [FETCH, SEND, SEND, SEND]);
}

#[tokio::test]
async fn of_many_that_come_at_once_one_fetches_and_all_go_by_what_it_found() {
    let door = outdated().await;
    door.clock.advance(Duration::from_mins(2));
    let request = crate::events::request("webhook-xero.json");

    let answers = futures::future::join_all((0..20).map(|_| door.bring(&request))).await;

    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(door.calls().iter().filter(|call| *call == FETCH).count(), 1);
}

#[tokio::test]
async fn a_provider_without_a_secret_is_never_let_in() {
    let only_xero: HashMap<_, _> =
        secrets().into_iter().filter(|(name, _)| name.starts_with("XERO")).collect();
    let door = Door::with(only_xero, false).await;

    for sample in ["webhook-quickbooks.json", "webhook-quickbooks-forged.json", "webhook-zoho.json"] {
        assert_eq!(door.sample(sample).await, 503, "{sample}");
    }
    assert_eq!(door.sample("webhook-xero.json").await, 200);
    assert_eq!(door.calls(), [SEND]);
}
