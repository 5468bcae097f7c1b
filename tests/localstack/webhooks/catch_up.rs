//! The daily catch-up: what no webhook told of is read all the same.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use domain::{
    id::CompanyId,
    provider::Provider,
    sync::{Entity, RecordPlace, RecordStore as _},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::driver::{Bundle, Room};

/// Longer than the test: nothing comes again by itself.
const INVISIBLE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_change_that_nobody_told_of_is_found_by_the_next_catch_up() {
    let bundle = Bundle::deployed().await;
    let room = Room::open(&bundle, INVISIBLE, &[]).await;
    let resident = room.connect(Provider::QuickBooks).await;
    let low = bundle.make_queue(INVISIBLE).await;
    let mut settings = bundle.settings_of("SYNC_FUNCTION").await;
    settings.insert("CONNECTIONS_TABLE".to_owned(), room.setting("CONNECTIONS_TABLE").to_owned());
    settings.insert("SYNC_QUEUE_LOW_URL".to_owned(), low.clone());
    for value in settings.values_mut() {
        *value = value.replace(&bundle.simulator.url, &room.providers.url);
    }
    let worker = bundle.copy_with("SYNC_FUNCTION", settings).await;
    let company = resident.books.company().to_owned();
    let customers = format!("/intuit/companies/{company}/entities/customer");
    let customer = json!({ "DisplayName": "Untold" });
    let customer = room.providers.control(Method::POST, &customers, Some(customer)).await;

    let tick: Value = serde_json::from_str(include_str!("../../../events/sync-schedule.json")).unwrap();
    assert_eq!(bundle.invoke(&worker.name, &tick).await.unwrap(), json!({ "jobs": 1 }));
    assert_eq!(bundle.invoke(&worker.name, &tick).await.unwrap(), json!({ "jobs": 1 }));
    let (first, again) = (bundle.next_from(&low).await, bundle.next_from(&low).await);
    assert_eq!(first, again, "a tick that comes twice makes the same job");

    let mut batch: Value = serde_json::from_str(include_str!("../../../events/sync-job.json")).unwrap();
    batch["Records"][0]["body"] = first.into();
    batch["Records"][0]["eventSourceARN"] = bundle.arn_of(&low).await.into();
    assert!(serde_json::from_value::<SqsEvent>(batch.clone()).is_ok());
    let answer = bundle.invoke(&worker.name, &batch).await.unwrap();

    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let records = aws::DynamoRecords::new(
        aws::clients::dynamodb(&bundle.sdk),
        bundle.stack.value("RECORDS_TABLE").to_owned(),
    );
    let company = CompanyId::of(Provider::QuickBooks, &company.parse().unwrap());
    let place = RecordPlace { tenant: resident.key.tenant.clone(), company };
    let page = records.list(&place, Entity::Customers, 100, None).await.unwrap();
    let found = page.records.iter().find(|record| customer["Id"] == record.id.as_str());
    assert!(found.is_some_and(|record| record.raw.contains("Untold")), "{:?}", page.records);
    worker.remove().await;
}
