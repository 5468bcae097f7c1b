//! Batches that a table takes in part only: what an emulator cannot show.

use aws::{DynamoJobs, DynamoRecords, clients};
use domain::sync::{JobLog as _, JobRecord, Lane, Record, RecordStore as _, SyncJob};
use tests::sample::{self, at, ids, invoice};

use crate::aws_endpoint::AwsEndpoint;

/// How often each operation was called, in the order of the alphabet.
fn operations(endpoint: &AwsEndpoint) -> Vec<(String, usize)> {
    let mut counted = std::collections::BTreeMap::new();
    for call in endpoint.calls() {
        *counted.entry(call.target.rsplit('.').next().unwrap().to_owned()).or_default() += 1;
    }
    counted.into_iter().collect()
}

async fn records() -> (AwsEndpoint, DynamoRecords) {
    let endpoint = AwsEndpoint::start().await;
    let store = DynamoRecords::new(clients::dynamodb(&endpoint.sdk().await), "records".to_owned());
    (endpoint, store)
}

fn page(count: i64) -> Vec<Record> {
    (0..count).map(|n| invoice(&format!("{n:03}"), at(n), 0)).collect()
}

#[tokio::test]
async fn statements_that_were_throttled_or_refused_are_made_alone_and_the_others_once() {
    let (endpoint, store) = records().await;
    endpoint.fail_statements(&[(3, "ThrottlingError"), (7, "DuplicateItem"), (24, "InternalServerError")]);

    let written = store.put_if_newer(&sample::place(), &page(30), &ids().write()).await.unwrap();

    assert_eq!(written, 30);
    let called = [("BatchExecuteStatement", 2), ("BatchGetItem", 1), ("PutItem", 3)];
    assert_eq!(operations(&endpoint), called.map(|(name, count)| (name.to_owned(), count)));
    let alone = endpoint.calls().into_iter().filter(|call| call.target.ends_with("PutItem"));
    let mut alone: Vec<_> = alone.map(|call| call.body["Item"]["sk"]["S"].clone()).collect();
    alone.sort_by_key(ToString::to_string);
    assert_eq!(alone, ["RECORD#003", "RECORD#007", "RECORD#024"]);
}

#[tokio::test]
async fn keys_that_were_left_are_asked_for_again_and_not_taken_for_new() {
    let (endpoint, store) = records().await;
    endpoint.leave_keys(2);

    store.put_if_newer(&sample::place(), &page(30), &ids().write()).await.unwrap();

    let reads = endpoint.calls().into_iter().filter(|call| call.target.ends_with("BatchGetItem"));
    let keys = |body: &serde_json::Value| body["RequestItems"]["records"]["Keys"].as_array().unwrap().len();
    assert_eq!(reads.map(|call| keys(&call.body)).collect::<Vec<_>>(), [30, 2, 2], "while there are any");
}

#[tokio::test]
async fn one_record_or_two_cost_what_they_cost_alone() {
    for count in [1, 2] {
        let (endpoint, store) = records().await;

        store.put_if_newer(&sample::place(), &page(count), &ids().write()).await.unwrap();

        assert_eq!(operations(&endpoint), [("PutItem".to_owned(), usize::try_from(count).unwrap())]);
    }
}

#[tokio::test]
async fn jobs_whose_statements_were_throttled_are_made_alone_and_those_that_are_there_are_left() {
    let endpoint = AwsEndpoint::start().await;
    let log = DynamoJobs::new(clients::dynamodb(&endpoint.sdk().await), "records".to_owned());
    endpoint.fail_statements(&[(0, "ThrottlingError"), (1, "DuplicateItem")]);
    let job =
        |_| JobRecord::new(SyncJob::full(ids().job(), sample::key(), sample::company()), Lane::Low, at(0));

    log.create(&(0..30).map(job).collect::<Vec<_>>()).await.unwrap();

    // Each job and its entry among those of its tenant.
    let called = [("BatchExecuteStatement", 3), ("PutItem", 1)];
    assert_eq!(operations(&endpoint), called.map(|(name, count)| (name.to_owned(), count)));
}
