//! Reading the books: queries, single objects, company info and change data capture.

use serde_json::{Value, json};

use crate::harness::{REALM, Sim, fault_code_of};

#[tokio::test]
async fn the_company_names_itself() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let answer = sim.company(&tokens.access, &format!("companyinfo/{REALM}")).await;

    assert!(answer.headers().contains_key("intuit_tid"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["CompanyInfo"]["CompanyName"], "Sandbox Company_US_1");
    assert!(body["time"].as_str().unwrap().contains('T'));
}

#[tokio::test]
async fn pages_cover_all_rows_without_repeating_any() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let mut seen = std::collections::BTreeSet::new();
    let mut sizes = Vec::new();

    for start in [1, 51, 101, 151] {
        let statement =
            format!("SELECT * FROM Invoice ORDERBY DocNumber STARTPOSITION {start} MAXRESULTS 50");
        let page = sim.query(&tokens.access, &statement).await;
        let rows = page["Invoice"].as_array().cloned().unwrap_or_default();
        assert_eq!(page["maxResults"].as_u64().unwrap_or(0), rows.len() as u64);
        sizes.push(rows.len());
        seen.extend(rows.iter().map(|row| row["Id"].as_str().unwrap().to_owned()));
    }

    assert_eq!(sizes, [50, 50, 20, 0]);
    assert_eq!(seen.len(), 120);
}

#[tokio::test]
async fn a_page_has_100_rows_by_default_and_an_empty_one_no_entity_key() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let page = sim.query(&tokens.access, "SELECT * FROM Invoice").await;
    let empty = sim.query(&tokens.access, "SELECT * FROM Invoice STARTPOSITION 121").await;
    let count = sim.query(&tokens.access, "SELECT COUNT(*) FROM Customer").await;

    assert_eq!(page["Invoice"].as_array().unwrap().len(), 100);
    assert_eq!((page["startPosition"].as_u64(), page["maxResults"].as_u64()), (Some(1), Some(100)));
    assert_eq!(empty, json!({}));
    assert_eq!(count, json!({ "totalCount": 25 }));
}

#[tokio::test]
async fn rows_have_text_ids_numeric_amounts_and_pacific_times() {
    let sim = Sim::start().await;
    sim.control("PUT", "clock", json!({ "now": "2026-07-15T12:00:00Z" })).await;
    sim.control("POST", "reset", json!({})).await;
    sim.control("PUT", "clock", json!({ "frozen": true })).await;
    sim.switch(json!({ "consent": "approve" })).await;
    let tokens = sim.connect().await;

    let page = sim.query(&tokens.access, "SELECT * FROM Invoice MAXRESULTS 1").await;

    let invoice = &page["Invoice"][0];
    assert!(invoice["Id"].is_string() && invoice["SyncToken"].is_string());
    assert!(invoice["TotalAmt"].is_number() && invoice["Line"][0]["Amount"].is_number());
    let updated = invoice["MetaData"]["LastUpdatedTime"].as_str().unwrap();
    assert!(updated.ends_with("-08:00") || updated.ends_with("-07:00"), "{updated}");
}

#[tokio::test]
async fn changes_since_a_time_are_found_with_every_spelling_of_that_time() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let before: Value = sim.inspect("clock").await;
    sim.advance(60).await;
    let path = format!("intuit/companies/{REALM}/entities/invoice/30");
    sim.control("PUT", &path, json!({ "PrivateNote": "changed" })).await;
    let since = before["now"].as_str().unwrap();

    let statement = format!("SELECT * FROM Invoice WHERE MetaData.LastUpdatedTime >= '{since}'");
    let page = sim.query(&tokens.access, &statement).await;

    let rows = page["Invoice"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["Id"], &rows[0]["SyncToken"]), (&json!("30"), &json!("1")));
}

#[tokio::test]
async fn inactive_customers_are_hidden_unless_asked_for() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    let path = format!("intuit/companies/{REALM}/entities/customer/3");
    sim.control("PUT", &path, json!({ "Active": false })).await;

    let count = async |condition: &str| {
        let statement = format!("SELECT COUNT(*) FROM Customer {condition}");
        sim.query(&tokens.access, &statement).await["totalCount"].as_u64().unwrap()
    };

    assert_eq!(count("").await, 24);
    assert_eq!(count("WHERE Active IN (true, false)").await, 25);
    assert_eq!(count("WHERE Active = false").await, 1);
    assert_eq!(count("WHERE Active = false AND Id = '4'").await, 0);
}

#[tokio::test]
async fn a_query_can_be_posted_as_text() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    let answer = sim
        .request("POST", &format!("intuit/v3/company/{REALM}/query"))
        .bearer_auth(&tokens.access)
        .header("content-type", "application/text")
        .body(
            "SELECT COUNT(*) FROM Invoice WHERE CustomerRef = '1' AND TotalAmt > 0 AND DocNumber LIKE '10%'",
        )
        .send()
        .await
        .unwrap();

    assert_eq!(answer.json::<Value>().await.unwrap()["QueryResponse"]["totalCount"], 4);
}

#[tokio::test]
async fn statements_that_intuit_does_not_understand_are_refused() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;

    for (statement, code) in [
        ("SELECT * FROM Invoice WHERE Id = '1' OR Id = '2'", "4000"),
        ("SELECT Id FROM Invoice", "4000"),
        ("SELECT * FROM invoice", "4001"),
        ("SELECT * FROM Invoice ORDERBY Id", "4001"),
        ("SELECT * FROM Invoice WHERE MetaData.LastUpdatedTime >= '2026-11-01T00:00:00 00:00'", "4001"),
    ] {
        assert_eq!(fault_code_of(sim.query_raw(&tokens.access, statement).await).await, code, "{statement}");
    }
}

#[tokio::test]
async fn change_data_capture_tells_changes_and_deletions_but_a_query_no_deleted_row() {
    let sim = Sim::start().await;
    let tokens = sim.connect().await;
    sim.advance(1_800).await;
    let since = sim.inspect("clock").await["now"].as_str().unwrap().to_owned();
    sim.control("PUT", &format!("intuit/companies/{REALM}/entities/customer/2"), json!({ "Notes": "x" }))
        .await;
    sim.control("DELETE", &format!("intuit/companies/{REALM}/entities/invoice/40"), json!({})).await;
    sim.control(
        "PUT",
        &format!("intuit/companies/{REALM}/entities/invoice/41"),
        json!({ "PrivateNote": "x" }),
    )
    .await;

    let path = format!("cdc?entities=Customer,Invoice,Payment&changedSince={since}");
    let body: Value = sim.company(&tokens.access, &path).await.json().await.unwrap();
    let page = sim.query(&tokens.access, "SELECT * FROM Invoice WHERE Id = '40'").await;

    let groups = &body["CDCResponse"][0]["QueryResponse"];
    assert_eq!(groups[0]["Customer"][0]["Id"], "2");
    assert_eq!(groups[1]["Invoice"][0]["Id"], "41");
    assert_eq!(groups[1]["Invoice"][1]["status"], "Deleted");
    assert_eq!(groups[1]["Invoice"][1]["Id"], "40");
    assert_eq!(groups[2], json!({}));
    assert_eq!(page, json!({}));
}

#[tokio::test]
async fn change_data_capture_stops_at_1000_objects_and_30_days() {
    let sim = Sim::start().await;
    let big = json!({ "realmId": "9130350000000003", "customers": 700, "invoices": 700 });
    sim.control("POST", "intuit/companies", big).await;
    sim.switch(json!({ "consentRealmId": "9130350000000003" })).await;
    let tokens = sim.connect().await;
    let changes = |since: &str| {
        let path =
            format!("intuit/v3/company/9130350000000003/cdc?entities=Customer,Invoice&changedSince={since}");
        sim.request("GET", &path).bearer_auth(&tokens.access).send()
    };
    let now: String = sim.inspect("clock").await["now"].as_str().unwrap().to_owned();

    let body: Value = changes(&days_before(&now, 29)).await.unwrap().json().await.unwrap();
    let too_old = changes(&days_before(&now, 31)).await.unwrap();

    let groups = &body["CDCResponse"][0]["QueryResponse"];
    assert_eq!(groups[0]["Customer"].as_array().unwrap().len(), 692);
    assert_eq!(groups[1]["Invoice"].as_array().unwrap().len(), 308);
    fault_code_of(too_old).await;
}

fn days_before(now: &str, days: i64) -> String {
    let now: jiff::Timestamp = now.parse().unwrap();
    (now - jiff::SignedDuration::from_hours(24 * days)).to_string()
}
