//! The functions, called with the sample events.

use std::sync::Arc;

use aws::{SqsSource, clients};
use aws_lambda_events::sqs::SqsEvent;
use domain::{
    api_key::Role,
    clock::Clock as _,
    connection::{ConnectionKey, ConnectionState, ConnectionStore as _, Due},
    refresh::policy::later,
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    api_world::ApiWorld,
    aws_endpoint::AwsEndpoint,
    events,
    world::{FUNCTION_LIFE, World},
};

async fn refresh_deps(world: &World, aws: &AwsEndpoint) -> refresh::Deps {
    let sqs = clients::sqs(&aws.sdk().await);
    let source = |name| {
        let url = format!("http://127.0.0.1/queue/{name}");
        SqsSource::new(sqs.clone(), url.clone(), format!("{url}-dlq"))
    };
    refresh::Deps {
        refresher: world.refresher.clone(),
        sweep: world.sweep(),
        queue: source("refresh"),
        recovery: source("recovery"),
    }
}

async fn invoke(world: &World, deps: &refresh::Deps, event: Value) -> Value {
    let deadline = later(world.clock.now(), FUNCTION_LIFE);
    serde_json::to_value(refresh::handle(deps, event, deadline).await.unwrap()).unwrap()
}

/// A sample event about a connection that is there.
fn about(event: &Value, key: &ConnectionKey) -> Value {
    let text = event.to_string().replace("acme", key.tenant.as_str());
    serde_json::from_str(&text.replace("conn_019aa2c4e5b07e3c8f1d2a3b4c5d6e7f", key.connection.as_str()))
        .unwrap()
}

#[tokio::test]
async fn a_direct_invocation_answers_how_each_refresh_ended() {
    let (world, aws) = (World::new(), AwsEndpoint::start().await);
    let deps = refresh_deps(&world, &aws).await;
    let key = world.connected().await;

    let answers = invoke(&world, &deps, about(&events::json("refresh-direct.json"), &key)).await;

    assert_eq!(answers[0]["result"], "refreshed");
    assert_eq!(answers[0]["connectionId"], key.connection.as_str());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_direct_invocation_ends_a_connection_and_says_how_far_it_came() {
    let (world, aws) = (World::new(), AwsEndpoint::start().await);
    let deps = refresh_deps(&world, &aws).await;
    let key = world.connected().await;

    let answer = invoke(&world, &deps, about(&events::json("refresh-disconnect.json"), &key)).await;

    assert_eq!(answer, json!({"result": "disconnected", "errorClass": null, "retryAt": null}));
    assert_eq!(world.ended().len(), 1);
}

#[tokio::test]
async fn the_queue_goes_on_with_a_connection_that_is_not_at_its_end() {
    let (world, aws) = (World::new(), AwsEndpoint::start().await);
    let deps = refresh_deps(&world, &aws).await;
    let key = world.connected().await;
    world.connections.mark_disconnecting(&world.find(&key).await, world.clock.now(), "w").await.unwrap();

    let batch = about(&events::json("refresh-queue.json"), &key);
    let reply = invoke(&world, &deps, json!({"Records": [batch["Records"][0]]})).await;

    assert_eq!(reply, json!({"batchItemFailures": []}));
    assert_eq!(world.find(&key).await.state, ConnectionState::Disconnected);
}

#[tokio::test]
async fn a_message_that_nobody_understands_goes_to_the_dead_letter_queue_with_its_reason_and_spoils_nothing()
{
    let (world, aws) = (World::new(), AwsEndpoint::start().await);
    let deps = refresh_deps(&world, &aws).await;
    let key = world.connected().await;
    world.clock.advance(std::time::Duration::from_mins(45));

    let reply = invoke(&world, &deps, about(&events::json("refresh-queue.json"), &key)).await;

    assert_eq!(reply, json!({"batchItemFailures": []}));
    assert_eq!(world.refreshes(), 1, "its neighbor in the batch is refreshed");
    let calls = aws.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body["MessageBody"], "not a message");
    let reason = calls[0].body["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(reason.starts_with("the message is not of the known shape"), "{reason}");
}

#[tokio::test]
async fn a_message_comes_again_when_its_dead_letter_could_not_be_stored() {
    let (world, aws) = (World::new(), AwsEndpoint::start().await);
    aws.go_down();
    let deps = refresh_deps(&world, &aws).await;
    let sample = events::json("refresh-queue.json");

    let reply = invoke(&world, &deps, json!({"Records": [sample["Records"][1]]})).await;

    assert_eq!(reply["batchItemFailures"][0]["itemIdentifier"], sample["Records"][1]["messageId"]);
}

#[tokio::test]
async fn the_clock_starts_the_sweep_and_any_other_event_is_refused() {
    let (world, aws) = (World::new(), AwsEndpoint::start().await);
    let deps = refresh_deps(&world, &aws).await;
    let key = world.connected().await;
    world.connections.edit(&key, |connection| connection.due = Some(Due::At(world.clock.now())));
    world.clock.advance(std::time::Duration::from_secs(10));

    assert_eq!(invoke(&world, &deps, events::json("refresh-schedule.json")).await, json!({"enqueued": 1}));

    for event in [json!({}), json!({"detail-type": "Something Else"}), json!([1]), json!({"Records": 3})] {
        let refused = refresh::handle(&deps, event.clone(), later(world.clock.now(), FUNCTION_LIFE)).await;
        assert!(refused.is_err(), "{event}");
    }
}

#[test]
fn the_samples_of_the_sync_queues_read_as_what_they_are() {
    for (name, is_job) in [("sync-job.json", true), ("sync-erase.json", true), ("sync-events.json", false)] {
        let event: SqsEvent = serde_json::from_value(events::json(name)).unwrap();
        let body = event.records[0].body.as_deref().unwrap();
        assert_eq!(domain::sync::LaneMessage::parse(body).is_ok(), is_job, "{name}");
        assert_eq!(domain::webhook::EventMessage::parse(body).is_ok(), !is_job, "{name}");
    }
}

#[tokio::test]
async fn the_api_answers_nobody_without_a_key_and_everybody_in_one_shape() {
    let world = World::new();
    let key = world.connected().await;
    let (deps, key_text) = ApiWorld::deps(&world, Role::Viewer, None).await;
    let router = api::router(Arc::new(deps));
    let call = async |key: Option<&str>| {
        let mut request = events::request("api-status.json");
        if let Some(key) = key {
            request.headers_mut().insert("x-api-key", key.parse().unwrap());
        }
        let response = api::handle(&router, request).await;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };

    let (status, refused) = call(None).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (StatusCode::UNAUTHORIZED, &json!("AUTH_API_KEY_INVALID"))
    );
    let (status, answer) = call(Some(key_text.expose())).await;
    assert_eq!(status, StatusCode::OK);
    insta::assert_json_snapshot!(answer, {
        ".tokens[].tenantId" => "[tenant]",
        ".tokens[].connectionId" => "[connection]",
    }, @r#"
    {
      "summary": {
        "asOf": "2100-01-01T00:00:00Z",
        "expired": 0,
        "healthy": 1,
        "reconnectRequired": 0,
        "total": 1,
        "warning": 0
      },
      "tokens": [
        {
          "connectionId": "[connection]",
          "expiresAt": "2100-01-01T01:00:00Z",
          "provider": "quickbooks",
          "status": {
            "health": "healthy",
            "needsRefresh": false,
            "timeUntilExpiryMinutes": 60
          },
          "tenantId": "[tenant]"
        }
      ]
    }
    "#);
    assert_eq!(answer["tokens"][0]["connectionId"], key.connection.as_str());
}
