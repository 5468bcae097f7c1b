//! Batches.

use serde_json::{Value, json};

use crate::harness::{Sim, fault_code_of};

#[tokio::test]
async fn items_run_in_order_and_fail_one_by_one() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let batch = json!({ "BatchItemRequest": [
        { "bId": "1", "operation": "create", "Customer": { "DisplayName": "From a batch" } },
        { "bId": "2", "operation": "update", "Customer": { "Id": "1", "SyncToken": "9", "sparse": true } },
        { "bId": "3", "Query": "SELECT COUNT(*) FROM Customer" },
    ] });

    let body: Value = sim.post(&tokens.access, "batch", &batch).await.json().await.unwrap();

    let items = body["BatchItemResponse"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["bId"].as_str().unwrap()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(items[0]["Customer"]["DisplayName"], "From a batch");
    assert_eq!(items[1]["Fault"]["Error"][0]["code"], "5010");
    assert_eq!(items[2]["QueryResponse"]["totalCount"], 26);
}

#[tokio::test]
async fn batches_have_a_minute_limit_of_their_own() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.switch(json!({ "enforceLimits": true, "batchesPerMinute": 2 })).await;
    let batch = json!({ "BatchItemRequest": [] });
    let mut statuses = Vec::new();

    for _ in 0..3 {
        statuses.push(sim.post(&tokens.access, "batch", &batch).await.status().as_u16());
    }

    assert_eq!(statuses, [200, 200, 429]);
    assert!(sim.company(&tokens.access, "customer/1").await.status().is_success());
}

#[tokio::test]
async fn a_batch_has_at_most_30_items() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let item = json!({ "bId": "1", "Query": "SELECT COUNT(*) FROM Customer" });

    let refused = sim.post(&tokens.access, "batch", &json!({ "BatchItemRequest": vec![item; 31] })).await;

    fault_code_of(refused).await;
}
