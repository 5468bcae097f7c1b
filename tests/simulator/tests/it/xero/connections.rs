//! The list of connections: what each authorization added, and what ends it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{SECOND_TENANT, TENANT, claims_of};
use crate::harness::{Sim, refusal_of};

#[tokio::test]
async fn a_connection_has_the_recorded_shape() {
    let sim = Sim::start().await;
    sim.control("PUT", "clock", json!({ "now": "2026-04-20T11:47:10.336544Z", "frozen": true })).await;
    let tokens = sim.xero_connect().await;

    let connections = sim.xero_connections(&tokens.access, "").await;

    let event = claims_of(&tokens.access)["authentication_event_id"].clone();
    let expected = json!([{
        "id": connections[0]["id"], "authEventId": event, "tenantId": TENANT, "tenantType": "ORGANISATION",
        "tenantName": "Demo Company (Global)", "createdDateUtc": "2026-04-20T11:47:10.3365440",
        "updatedDateUtc": "2026-04-20T11:47:10.3365440",
    }]);
    assert_eq!(Value::Array(connections), expected);
}

#[tokio::test]
async fn the_event_of_an_authorization_tells_what_it_added() {
    let sim = Sim::start().await;
    sim.xero_connect().await;
    sim.xero_switch(json!({ "consentTenantIds": [SECOND_TENANT] })).await;
    let tokens = sim.xero_connect().await;

    let event = claims_of(&tokens.access)["authentication_event_id"].as_str().unwrap().to_owned();
    let added = sim.xero_connections(&tokens.access, &format!("?authEventId={event}")).await;

    assert_eq!(sim.xero_connections(&tokens.access, "").await.len(), 2);
    assert_eq!(added.len(), 1);
    assert_eq!(added[0]["tenantId"], SECOND_TENANT);
}

#[tokio::test]
async fn connecting_again_changes_the_id_but_not_the_first_time() {
    let sim = Sim::start().await;
    let first = sim.xero_connections(&sim.xero_connect().await.access, "").await;
    sim.advance(60).await;
    let second = sim.xero_connections(&sim.xero_connect().await.access, "").await;

    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0]["id"], second[0]["id"]);
    assert_eq!(first[0]["createdDateUtc"], second[0]["createdDateUtc"]);
    assert_ne!(second[0]["createdDateUtc"], second[0]["updatedDateUtc"]);
}

#[tokio::test]
async fn one_organization_can_go_and_the_last_one_takes_the_refresh_token_along() {
    let sim = Sim::start().await;
    sim.xero_switch(json!({ "consentTenantIds": [TENANT, SECOND_TENANT] })).await;
    let tokens = sim.xero_connect().await;
    let ids: Vec<String> = sim
        .xero_connections(&tokens.access, "")
        .await
        .iter()
        .map(|connection| connection["id"].as_str().unwrap().to_owned())
        .collect();

    let gone = sim.xero_disconnect(&tokens.access, &ids[0]).await;
    let again = sim.xero_disconnect(&tokens.access, &ids[0]).await;
    let refreshed = sim.xero_refresh(&tokens.refresh).await.status();
    sim.xero_disconnect(&tokens.access, &ids[1]).await;

    assert_eq!((gone, again, refreshed), (StatusCode::NO_CONTENT, StatusCode::NOT_FOUND, StatusCode::OK));
    let dead = refusal_of(sim.xero_refresh(&tokens.refresh).await).await;
    assert_eq!(dead, (400, json!({ "error": "invalid_grant" })));
}

#[tokio::test]
async fn connections_belong_to_their_user() {
    let sim = Sim::start().await;
    let owner = sim.xero_connect().await;
    let other = sim.control("POST", "xero/users", json!({ "tenantIds": [TENANT] })).await;
    sim.xero_switch(json!({ "consentUserId": other["userId"] })).await;
    let stranger = sim.xero_connect().await;
    let id = sim.xero_connections(&owner.access, "").await[0]["id"].as_str().unwrap().to_owned();

    assert_eq!(sim.xero_disconnect(&stranger.access, &id).await, StatusCode::NOT_FOUND);
    assert_eq!(sim.xero_connections(&owner.access, "").await.len(), 1);
    assert_eq!(sim.xero_connections(&stranger.access, "").await.len(), 1);
}

#[tokio::test]
async fn an_expired_token_is_refused_with_the_time_of_its_end() {
    let sim = Sim::start().await;
    sim.control("PUT", "clock", json!({ "now": "2023-04-09T04:46:59Z", "frozen": true })).await;
    let tokens = sim.xero_connect().await;

    sim.advance(1_800).await;
    let expired = sim.request("GET", "xero/connections").bearer_auth(&tokens.access).send().await.unwrap();
    let unknown = sim.request("GET", "xero/connections").bearer_auth("nonsense").send().await.unwrap();

    let (status, body) = refusal_of(expired).await;
    assert_eq!(status, 401);
    assert_eq!(body["Detail"], "TokenExpired: token expired at 04/09/2023 05:16:59");
    assert_eq!(refusal_of(unknown).await.1["Detail"], "AuthenticationUnsuccessful");
}
