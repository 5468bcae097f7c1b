//! Breakers, the sweep's claims and the log of deliveries: on a table of each test's own, since the functions of the stack
//! live by theirs.

use aws::{
    DynamoBreakers, DynamoBudgets, DynamoDeliveries, DynamoSubscriptions, DynamoSweepLog, DynamoUsage,
};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexDescription},
};
use domain::{
    limits::{Budget, BudgetPlace, BudgetStore as _},
    provider::Provider,
    refresh::{Breaker, BreakerState, BreakerStore, ClaimOutcome, Endpoint, SweepLog, SweepProgress, Tally},
    store::StoreError,
    webhook::{Subscription, Subscriptions as _},
};
use tests::{
    contract,
    sample::{self, at, ids},
};

use super::{lost_answers::lossy_client, table};

/// A client of the stack, and a table of the keys and indexes of one of the stack's.
async fn own_table_like(variable: &str) -> (Client, String) {
    let (client, table) = table(variable).await;
    let like = client.describe_table().table_name(table).send().await.unwrap().table.unwrap();
    let index = |index: GlobalSecondaryIndexDescription| {
        GlobalSecondaryIndex::builder()
            .set_index_name(index.index_name)
            .set_key_schema(index.key_schema)
            .set_projection(index.projection)
            .build()
            .unwrap()
    };
    let indexes = like.global_secondary_indexes.map(|all| all.into_iter().map(index).collect());
    let name = ids().write();
    let request = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    let request = request.set_attribute_definitions(like.attribute_definitions);
    let request = request.set_key_schema(like.key_schema).set_global_secondary_indexes(indexes);
    request.send().await.unwrap();
    (client, name)
}

/// As [`own_table_like`] the table of the sweep and the breakers.
async fn own_table() -> (Client, String) {
    own_table_like("CONTROL_TABLE").await
}

#[tokio::test]
async fn the_log_of_deliveries_in_dynamodb_keeps_the_contract() {
    let (client, table) = own_table_like("DELIVERIES_TABLE").await;

    contract::delivery_log_contract(&DynamoDeliveries::new(client, table)).await;
}

#[tokio::test]
async fn breakers_in_dynamodb_keep_the_contract() {
    let (client, table) = own_table().await;

    for endpoint in [Endpoint::Token, Endpoint::Books] {
        let store = DynamoBreakers::new(client.clone(), table.clone(), endpoint);
        contract::breaker_store_contract(&store).await;
    }
}

#[tokio::test]
async fn budgets_and_usage_in_dynamodb_keep_their_contracts() {
    let (client, table) = own_table().await;

    contract::budget_store_contract(&DynamoBudgets::new(client.clone(), table.clone())).await;
    contract::usage_store_contract(&DynamoUsage::new(client, table)).await;
}

#[tokio::test]
async fn a_budget_whose_answer_is_lost_is_known_again_and_forgotten_when_it_ends() {
    let (plain, table) = own_table().await;
    let (way, client) = lossy_client().await;
    let store = DynamoBudgets::new(client, table.clone());
    let place = BudgetPlace::App(Provider::Xero);
    let next = Budget { version: 3, throttled_until: Some(at(60)), ..Budget::default() };
    way.lose_next_answer();

    assert_eq!(store.replace(&place, 0, &next).await.unwrap(), None);

    assert!(way.was_sent_twice());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let request = plain.get_item().table_name(table).key("pk", text("BUDGET#xero"));
    let item = request.key("sk", text("APP")).send().await.unwrap().item.unwrap();
    assert_eq!(item["ttl"].as_n().unwrap(), &(at(61).as_second()).to_string());
}

#[tokio::test]
async fn the_sweeps_marks_in_dynamodb_keep_the_contract() {
    let (client, table) = own_table().await;

    contract::sweep_log_contract(&DynamoSweepLog::new(client, table)).await;
}

/// A minute of ten digits less two, as those of this century.
const MINUTE: i64 = 29_000_000;

#[tokio::test]
async fn a_tally_is_forgotten_an_hour_after_its_minute_and_stays_small() {
    let (client, table) = own_table().await;
    let store = DynamoBreakers::new(client.clone(), table.clone(), Endpoint::Token);
    for _ in 0..50 {
        let failing = (0..40).map(|_| ids().connection()).collect();
        store.count(Provider::Xero, MINUTE, &Tally { attempts: 40, failed: 40, failing }).await.unwrap();
    }

    let text = |text: &str| AttributeValue::S(text.to_owned());
    let request = client.get_item().table_name(table).key("pk", text("BREAKER#xero"));
    let item = request.key("sk", text("MINUTE#0029000000")).send().await.unwrap().item.unwrap();

    assert_eq!(item["ttl"].as_n().unwrap(), &(MINUTE * 60 + 3600).to_string());
    assert_eq!(item["attempts"].as_n().unwrap(), "2000");
    assert_eq!(
        item["failing"].as_ss().unwrap().len(),
        520,
        "as many as any outage takes, and the tally that made it so"
    );
}

#[tokio::test]
async fn a_breaker_whose_answer_is_lost_is_stored_and_nobody_takes_another_s_for_theirs() {
    let (_, table) = own_table().await;
    let (way, client) = lossy_client().await;
    let store = DynamoBreakers::new(client, table, Endpoint::Token);
    let next = Breaker { state: BreakerState::HalfOpen { until: at(105) }, version: 1, ..Breaker::default() };
    way.lose_next_answer();

    let stored = store.replace(Provider::Xero, &next).await;

    assert!(matches!(stored, Err(StoreError::Unavailable { operation: "replace", .. })), "{stored:?}");
    assert!(!way.was_sent_twice(), "the second would pass for another worker's");
    assert!(!store.replace(Provider::Xero, &next).await.unwrap());
    assert_eq!(store.load(Provider::Xero, 0).await.unwrap().breaker, next);
}

#[tokio::test]
async fn a_claim_and_its_end_are_known_although_nobody_hears_of_them() {
    let (_, table) = own_table().await;
    let (way, client) = lossy_client().await;
    let log = DynamoSweepLog::new(client, table);
    let end = SweepProgress { through: at(60), target: None, step: 0, from: None };

    way.lose_next_answer();
    let claim = log.claim(Provider::Xero, "sweep", (at(0), at(100))).await.unwrap();
    assert!(way.was_sent_twice());
    assert_eq!(claim, ClaimOutcome::Claimed(None));

    way.lose_next_answer();
    assert!(log.advance(Provider::Xero, "sweep", (&end, true)).await.unwrap());
    assert!(way.was_sent_twice());
    let claim = log.claim(Provider::Xero, "another", (at(0), at(100))).await.unwrap();
    assert_eq!(claim, ClaimOutcome::Claimed(Some(end)));
}

#[tokio::test]
async fn a_claim_of_a_report_is_known_although_nobody_hears_of_it() {
    let (_, table) = own_table_like("DELIVERIES_TABLE").await;
    let (way, client) = lossy_client().await;
    let subscriptions = DynamoSubscriptions::new(client, table);
    let subscription = Subscription::of(Provider::Zoho, &sample::provider_company());
    way.lose_next_answer();

    assert!(subscriptions.claim_report(&subscription, at(0)).await.unwrap());

    assert!(way.was_sent_twice());
    assert!(!subscriptions.claim_report(&subscription, at(0)).await.unwrap(), "and nobody else's");
}
