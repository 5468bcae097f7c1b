//! Data centers, users and organizations, as a client discovers them.

use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::Options;

use super::{authorization, with, zoho_tokens_of};
use crate::harness::{Sim, callback_of};

const NOT_AUTHORIZED: &str = "You are not authorized to perform this operation";

#[tokio::test]
async fn serverinfo_names_the_data_centers_that_exist() {
    let sim = Sim::start().await;
    sim.zoho_switch(json!({ "locations": ["us", "eu"] })).await;

    let answer = sim.request("GET", "zoho/accounts/us/oauth/serverinfo").send().await.unwrap();
    let missing = sim.request("GET", "zoho/accounts/in/oauth/serverinfo").send().await.unwrap();
    let unknown = sim.request("GET", "zoho/accounts/mars/oauth/serverinfo").send().await.unwrap();

    let expected = json!({
        "result": "success",
        "locations": { "us": sim.url("zoho/accounts/us"), "eu": sim.url("zoho/accounts/eu") },
    });
    assert_eq!(answer.json::<Value>().await.unwrap(), expected);
    assert_eq!((missing.status(), unknown.status()), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn addresses_in_answers_can_have_another_beginning() {
    let sim = Sim::start().await;
    sim.zoho_switch(json!({ "baseUrl": "https://simulator.example/" })).await;

    let body = sim.zoho_exchange("us", &sim.zoho_code("us").await).await;

    assert_eq!(body["api_domain"], "https://simulator.example/zoho/api/us");
}

#[tokio::test]
async fn one_grant_sees_every_organization_of_its_user() {
    let sim = Sim::start().await;
    let (us, eu) = (sim.zoho_connect("us").await, sim.zoho_connect("eu").await);

    let (status, both) = sim.zoho_get("us", &us.access, "organizations").await;
    let (_, one) = sim.zoho_get("eu", &eu.access, "organizations").await;

    assert_eq!((status, &both["code"], &both["message"]), (200, &json!(0), &json!("success")));
    let rows = both["organizations"].as_array().unwrap();
    assert_eq!(rows[0]["organization_id"], Options::ZOHO_US_ORGANIZATION_ID);
    assert_eq!(rows[1]["organization_id"], Options::ZOHO_SECOND_US_ORGANIZATION_ID);
    assert_eq!((&rows[0]["is_default_org"], &rows[1]["is_default_org"]), (&json!(true), &json!(false)));
    assert_eq!((&rows[0]["currency_code"], &rows[0]["country_code"]), (&json!("USD"), &json!("US")));
    assert_eq!(one["organizations"].as_array().unwrap().len(), 1);
    assert_eq!(one["organizations"][0]["organization_id"], Options::ZOHO_EU_ORGANIZATION_ID);
}

#[tokio::test]
async fn organizations_and_users_are_made_and_removed_over_the_control_api() {
    let sim = Sim::start().await;
    let organization = json!({ "organizationId": "60001112223", "location": "in", "name": "Third & Co" });
    sim.control("POST", "zoho/organizations", organization.clone()).await;
    let again = sim.request("POST", "_control/zoho/organizations").json(&organization).send().await.unwrap();
    let user = json!({ "userId": "asha", "location": "in", "organizations": ["60001112223"] });
    sim.control("POST", "zoho/users", user).await;

    let tokens = sim.zoho_connect("in").await;
    let (_, before) = sim.zoho_get("in", &tokens.access, "organizations").await;
    sim.control("DELETE", "zoho/organizations/60001112223", json!({})).await;
    let (_, after) = sim.zoho_get("in", &tokens.access, "organizations").await;

    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(before["organizations"][0]["name"], "Third & Co");
    assert_eq!(after["organizations"], json!([]));
}

#[tokio::test]
async fn an_expired_token_another_region_and_a_missing_scope_look_the_same() {
    let sim = Sim::start().await;
    let tokens = sim.zoho_connect("us").await;
    let request = with(authorization(), &[("scope", "ZohoBooks.invoices.READ")]);
    let code = callback_of(&sim.zoho_authorize("us", &request).await)["code"].clone();
    let narrow = zoho_tokens_of(&sim.zoho_exchange("us", &code).await);

    let region = sim.zoho_get("eu", &tokens.access, "organizations").await;
    let scope = sim.zoho_get("us", &narrow.access, "organizations").await;
    sim.advance(3_600).await;
    let expired = sim.zoho_get("us", &tokens.access, "organizations").await;

    let expected = (401, json!({ "code": 57, "message": NOT_AUTHORIZED }));
    assert_eq!((&region, &scope, &expired), (&expected, &expected, &expected));
    let bearer = sim.request("GET", "zoho/api/us/books/v3/organizations").bearer_auth(&tokens.access);
    let bearer: Value = bearer.send().await.unwrap().json().await.unwrap();
    assert_eq!(bearer["code"], 14);
}
