//! The two queues of the `refresh` function: what becomes of their messages.

use std::{collections::VecDeque, time::Duration};

use aws::{SqsSource, clients};
use domain::{
    connection::ConnectionKey,
    event::EventKind,
    refresh::{SpilledTokens, Trigger, policy::later},
    token::{Refusal, TokenEndpointError},
};
use serde_json::{Value, json};
use tests::{Fault, Operation, sample};

use crate::{
    aws_endpoint::AwsEndpoint,
    events,
    world::{FUNCTION_LIFE, World},
};

/// As old as an hour's token is when its sweep has come by.
const DUE_AGE: Duration = Duration::from_mins(45);
/// More tries than there is time for.
const FOREVER: usize = u16::MAX as usize;

/// The function over a world in memory, with its queues at an endpoint that counts.
struct Function {
    world: World,
    aws: AwsEndpoint,
    deps: refresh::Deps,
}

impl Function {
    async fn start() -> Self {
        let (world, aws) = (World::new(), AwsEndpoint::start().await);
        let sqs = clients::sqs(&aws.sdk().await);
        let source = |name| {
            let url = format!("http://127.0.0.1/queue/{name}");
            SqsSource::new(sqs.clone(), url.clone(), format!("{url}-dlq"))
        };
        let (queue, recovery) = (source("refresh"), source("recovery"));
        let deps =
            refresh::Deps { refresher: world.refresher.clone(), sweep: world.sweep(), queue, recovery };
        Self { world, aws, deps }
    }

    /// The identifiers of the messages that are to come again.
    async fn failures(&self, event: Value) -> Vec<String> {
        let deadline = later(self.deps.refresher.clock.now(), FUNCTION_LIFE);
        let reply = refresh::handle(&self.deps, event, deadline).await.unwrap();
        let reply = serde_json::to_value(reply).unwrap();
        let failures = reply["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// A new token set that the table did not take, as it came to the recovery queue.
    async fn spilled(&self, key: &ConnectionKey) -> SpilledTokens {
        self.world.store.fail_next(Operation::Settle, Fault::Refused, FOREVER);
        let deadline = later(self.deps.refresher.clock.now(), FUNCTION_LIFE);
        assert!(self.deps.refresher.refresh(key, Trigger::Manual, deadline).await.is_err());
        self.world.store.heal();
        self.world.recovery_queue.take().remove(0)
    }
}

/// The sample of a batch, its first connection and its second being these.
fn batch_of(keys: &[ConnectionKey; 2]) -> Value {
    let samples = ["conn_019aa2c4e5b07e3c8f1d2a3b4c5d6e7f", "conn_019aa2c4e5b07e3c8f1d2a3b4c5d6e80"];
    let mut event = events::json("refresh-batch.json");
    for record in event["Records"].as_array_mut().unwrap() {
        let mut body = record["body"].as_str().unwrap().to_owned();
        for (sample, key) in samples.iter().zip(keys) {
            if body.contains(sample) {
                body = body.replace(sample, key.connection.as_str()).replace("acme", key.tenant.as_str());
            }
        }
        record["body"] = body.into();
    }
    event
}

/// The sample of a token set that came by the recovery queue, with this body.
fn recovery_of(body: &str) -> Value {
    let mut record = events::json("refresh-recovery.json")["Records"][0].take();
    record["body"] = body.into();
    json!({ "Records": [record] })
}

#[tokio::test]
async fn the_messages_of_a_batch_are_refreshed_side_by_side_and_no_connection_twice() {
    let function = Function::start().await;
    let world = &function.world;
    let keys = [world.connected().await, world.connected().await];
    world.clock.advance(DUE_AGE);

    let batch = batch_of(&keys);
    let watching = batch["Records"][2]["messageId"].as_str().unwrap().to_owned();
    assert_eq!(function.failures(batch).await, [watching], "what it watches over is at work in this batch");

    assert_eq!((world.refreshes(), world.provider.max_in_flight()), (2, 2));
}

#[tokio::test]
async fn what_watches_over_a_worker_that_is_still_at_it_comes_again_when_its_lease_has_ended() {
    let function = Function::start().await;
    let world = &function.world;
    let keys = [world.connected().await, world.connected().await];
    let lost = Err(TokenEndpointError::Unknown { refusal: Refusal::default(), source: None });
    world.provider.answer(lost);
    world.manual(&keys[0]).await;
    let lease_ends = world.find(&keys[0]).await.lease.unwrap().expires_at;

    let mut records: VecDeque<_> = batch_of(&keys)["Records"].as_array().unwrap().clone().into();
    let watching = records.pop_back().unwrap();
    let id = watching["messageId"].as_str().unwrap().to_owned();
    assert_eq!(function.failures(json!({ "Records": [watching] })).await, [id]);

    let calls = function.aws.calls();
    assert_eq!(calls[0].target, "AmazonSQS.ChangeMessageVisibility");
    let wait = lease_ends.duration_since(sample::NOW).as_secs();
    assert_eq!(calls[0].body["VisibilityTimeout"], wait);
}

#[tokio::test]
async fn what_the_attempts_of_an_invocation_told_of_a_provider_is_shared_when_it_ends() {
    let function = Function::start().await;
    let world = &function.world;
    let keys = [world.connected().await, world.connected().await];
    for _ in 0..3 {
        let refusal = Refusal { status: Some(503), ..Refusal::default() };
        world.provider.answer(Err(TokenEndpointError::Failed(refusal)));
    }
    world.clock.advance(DUE_AGE);
    assert_eq!(world.breakers.counts(), 0);

    let one = batch_of(&keys)["Records"][0].take();
    assert_eq!(function.failures(json!({ "Records": [one] })).await, Vec::<String>::new());

    assert_eq!(world.breakers.counts(), 1);
}

#[tokio::test]
async fn a_token_set_of_the_recovery_queue_is_stored_and_told_of_once_however_often_it_comes() {
    let function = Function::start().await;
    let world = &function.world;
    let key = world.connected().await;
    let spilled = function.spilled(&key).await;
    world.kinds();

    for told in [vec![EventKind::TokenRefreshed], vec![]] {
        let event = recovery_of(&serde_json::to_string(&spilled).unwrap());
        assert_eq!(function.failures(event).await, Vec::<String>::new());
        assert_eq!(world.find(&key).await.tokens.as_ref(), Some(&spilled.tokens));
        assert_eq!(world.kinds(), told);
    }
    assert_eq!(function.aws.calls().len(), 0, "it is acknowledged, and nothing else");
}

#[tokio::test]
async fn a_token_set_whose_worker_stored_it_after_all_changes_nothing_and_is_not_told_of() {
    let function = Function::start().await;
    let world = &function.world;
    let key = world.connected().await;
    // Long enough for the second place, and then the first takes it after all.
    world.store.fail_next(Operation::Settle, Fault::Refused, 3);
    world.manual(&key).await;
    let spilled = world.recovery_queue.take().remove(0);
    let stored = world.find(&key).await;
    world.kinds();

    let event = recovery_of(&serde_json::to_string(&spilled).unwrap());
    assert_eq!(function.failures(event).await, Vec::<String>::new());

    assert_eq!((world.find(&key).await, world.kinds()), (stored, vec![]));
}

#[tokio::test]
async fn a_token_set_stays_on_the_recovery_queue_while_the_table_is_away_and_comes_again_soon() {
    let function = Function::start().await;
    let world = &function.world;
    let key = world.connected().await;
    let spilled = function.spilled(&key).await;
    let event = recovery_of(&serde_json::to_string(&spilled).unwrap());
    let id = event["Records"][0]["messageId"].as_str().unwrap().to_owned();
    world.store.fail_next(Operation::Complete, Fault::Refused, 1);

    assert_eq!(function.failures(event.clone()).await, [id]);

    let calls = function.aws.calls();
    assert_eq!(calls[0].body["QueueUrl"], "http://127.0.0.1/queue/recovery");
    assert_eq!(calls[0].body["VisibilityTimeout"], 15);
    assert_eq!(function.failures(event).await, Vec::<String>::new());
    assert_eq!(world.find(&key).await.tokens, Some(spilled.tokens));
}

#[tokio::test]
async fn what_is_no_token_set_goes_to_the_dead_letters_of_the_recovery_queue_with_its_reason() {
    let function = Function::start().await;
    let sample = events::json("refresh-recovery.json");

    assert_eq!(function.failures(json!({ "Records": [sample["Records"][1]] })).await, Vec::<String>::new());

    let calls = function.aws.calls();
    assert_eq!(calls[0].body["QueueUrl"], "http://127.0.0.1/queue/recovery-dlq");
    let reason = calls[0].body["MessageAttributes"]["reason"]["StringValue"].as_str().unwrap();
    assert!(reason.starts_with("the message is not of the known shape"), "{reason}");
}

#[tokio::test]
async fn the_sample_of_a_token_set_reads_as_what_it_is_and_belongs_to_a_connection_that_is_gone() {
    let function = Function::start().await;
    let sample = events::json("refresh-recovery.json");
    let body = sample["Records"][0]["body"].as_str().unwrap();

    let spilled = SpilledTokens::parse(body).unwrap();
    assert_eq!(serde_json::to_string(&spilled).unwrap(), body);
    assert_eq!(function.failures(recovery_of(body)).await, Vec::<String>::new());
    assert_eq!(function.aws.calls().len(), 0);
}
