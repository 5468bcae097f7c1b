//! Jobs on the deployed stack: ordered through the API, done by the workers, and seen in between.

use domain::provider::Provider;
use serde_json::json;

use crate::driver::{Bundle, PATIENCE, eventually};

#[tokio::test]
async fn a_job_is_ordered_done_and_seen_and_its_records_are_polled() {
    let bundle = Bundle::deployed().await;
    for provider in Provider::ALL {
        let books = bundle.simulator.books_of(provider, (3, 2)).await;
        let connection = bundle.tenant().await.connect_to(&books, false).await;
        let wanted = json!({
            "tenantId": connection.tenant.id, "provider": provider, "operation": "sync_all", "mode": "full",
            "priority": "high",
        });

        let made = bundle.post("/api/jobs", &wanted).await;

        let id = made.expect(202)["jobId"].as_str().unwrap().to_owned();
        assert!(made.header("location").ends_with(&format!("/api/jobs/{id}")));
        let job = eventually("the job is done", PATIENCE, async || {
            let job = bundle.get(&format!("/api/jobs/{id}")).await.expect(200);
            (job["state"] == "completed").then_some(job)
        })
        .await;
        assert_eq!((&job["attempts"], &job["progress"]["percent"]), (&json!(1), &json!(100)), "{job}");
        assert_eq!(job["progress"]["entities"]["invoices"]["written"], 2, "{provider}: {job}");
        let company = books.company();
        let tenant = &connection.tenant.id;
        let path = format!(
            "/api/records/invoices?companyId={company}&tenantId={tenant}&updatedSince=2000-01-01T00:00:00Z&limit=1"
        );
        let first = bundle.get(&path).await.expect(200);
        let cursor = first["nextCursor"].as_str().unwrap();
        let second = bundle.get(&format!("{path}&cursor={cursor}")).await.expect(200);
        let time = |page: &serde_json::Value| page["records"][0]["updatedAt"].as_str().unwrap().to_owned();
        assert!(time(&first) <= time(&second));
        assert_ne!(first["records"][0]["id"], second["records"][0]["id"]);
    }
    let counts = bundle.get("/api/queues").await.expect(200);
    for provider in Provider::ALL {
        assert!(counts["queues"][provider.as_str()]["completed"].as_u64().unwrap() >= 1, "{counts}");
    }
}
