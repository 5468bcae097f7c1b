//! What goes out: queues, the dead-letter queue, the bus, and the `refresh` function called directly.

use std::time::Duration;

use aws::{
    EventBridgeBus, LambdaRefresh, Letter, SqsDeadLetters, SqsEventQueue, SqsRecoveryQueue, SqsRefreshQueue,
    SqsSource, SqsSyncQueue, SyncLanes, clients,
};
use aws_sdk_sqs::{
    Client,
    types::{Message, QueueAttributeName},
};
use domain::{
    event::{Event, EventBus, EventKind},
    id::ProviderCompanyId,
    provider::Provider,
    refresh::{
        Delayed, DisconnectMessage, DisconnectResult, RecoveryQueue, RefreshInvoker, RefreshMessage,
        RefreshQueue, RefreshResult, SPILL_VERSION, SpilledTokens, Trigger,
    },
    store::StoreError,
    sync::{Lane, LaneMessage, SyncJob, SyncQueue},
    webhook::{EVENTS_VERSION, EventMessage, EventQueue, Operation, WebhookEvent},
};
use tests::sample::{self, at, ids};

use super::sdk;
use crate::stack::Stack;

/// A queue of a test's own, since a function drains the stack's.
async fn queue() -> (Client, String) {
    let sqs = clients::sqs(&sdk(&Stack::running()).await);
    let url = sqs.create_queue().queue_name(ids().write()).send().await.unwrap().queue_url.unwrap();
    (sqs, url)
}

/// A queue of a test's own with a line for each company, like the one of the stack that `variable` names.
async fn lines(variable: &str) -> (Client, String) {
    let stack = Stack::running();
    let sqs = clients::sqs(&sdk(&stack).await);
    let like = sqs.get_queue_attributes().queue_url(stack.value(variable));
    let like = like.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
    let mut request = sqs.create_queue().queue_name(format!("{}.fifo", ids().write()));
    for name in [
        QueueAttributeName::FifoQueue,
        QueueAttributeName::DeduplicationScope,
        QueueAttributeName::FifoThroughputLimit,
        QueueAttributeName::MaximumMessageSize,
    ] {
        request = request.attributes(name.clone(), &like[&name]);
    }
    let url = request.send().await.unwrap().queue_url.unwrap();
    (sqs, url)
}

/// Everything in a queue of up to ten messages.
async fn received(sqs: &Client, url: &str) -> Vec<Message> {
    let request = sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(3);
    request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
}

fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.message_attributes.as_ref()?.get(name)?.string_value()
}

fn event_message() -> EventMessage {
    EventMessage {
        v: EVENTS_VERSION,
        delivery_id: ids().delivery(),
        part: 1,
        parts: 1,
        provider: Provider::QuickBooks,
        received_at: at(0),
        correlation_id: ids().correlation(),
        events: vec![],
        unknown: 0,
        unreadable: None,
        refused: vec![],
    }
}

#[tokio::test]
async fn ten_event_messages_go_in_one_call_and_carry_their_correlation_id() {
    let (sqs, url) = lines("EVENTS_QUEUE_URL").await;
    let messages: Vec<_> = (0..10).map(|_| event_message()).collect();

    SqsEventQueue::new(sqs.clone(), url.clone()).send(&messages).await.unwrap();

    let mut found = vec![];
    while found.len() < 10 {
        let batch = received(&sqs, &url).await;
        assert!(!batch.is_empty(), "only {} messages came", found.len());
        found.extend(batch);
    }
    for message in found {
        let parsed = EventMessage::parse(message.body().unwrap()).unwrap();
        assert_eq!(attribute(&message, "correlationId"), Some(parsed.correlation_id.as_str()));
        assert!(messages.contains(&parsed));
    }
}

/// A message with so many events of a company, each with a key of `width` characters.
fn events_of(company: &ProviderCompanyId, events: usize, width: usize) -> EventMessage {
    let event = |number| WebhookEvent {
        key: format!("{number:0width$}"),
        provider_company_id: company.clone(),
        connection_id: None,
        entity: "invoice".to_owned(),
        id: "1".parse().unwrap(),
        operation: Operation::Updated,
        occurred_at: None,
    };
    EventMessage { events: (0..events).map(event).collect(), ..event_message() }
}

#[tokio::test]
async fn a_company_waits_behind_itself_and_nobody_else() {
    let (sqs, url) = lines("EVENTS_QUEUE_URL").await;
    let (flood, other) = (sample::provider_company(), sample::provider_company());
    let queue = SqsEventQueue::new(sqs.clone(), url.clone());
    let flooded = [events_of(&flood, 1, 8), events_of(&flood, 2, 8), events_of(&flood, 3, 8)];
    queue.send(&flooded).await.unwrap();
    queue.send(&[events_of(&other, 4, 8)]).await.unwrap();
    let next = async || {
        let request = sqs.receive_message().queue_url(&url).max_number_of_messages(1).wait_time_seconds(1);
        let mut found = request.send().await.unwrap().messages.unwrap_or_default();
        found.pop().map(|message| EventMessage::parse(message.body().unwrap()).unwrap())
    };

    assert_eq!(next().await.as_ref(), Some(&flooded[0]));
    assert_eq!(next().await.map(|message| message.events.len()), Some(4), "not the next of the flood");
    assert_eq!(next().await, None, "which waits for the first");
}

#[tokio::test]
async fn a_part_that_is_sent_twice_is_one_message_and_the_greatest_delivery_is_taken() {
    let (sqs, url) = lines("EVENTS_QUEUE_URL").await;
    let queue = SqsEventQueue::new(sqs.clone(), url.clone());
    let great = [events_of(&sample::provider_company(), 1000, 800)];
    assert!(serde_json::to_string(&great).unwrap().len() > 900_000);

    queue.send(&great).await.unwrap();
    queue.send(&great).await.unwrap();

    let found = received(&sqs, &url).await;
    assert_eq!(found.len(), 1);
    assert_eq!([EventMessage::parse(found[0].body().unwrap()).unwrap()], great);
}

#[tokio::test]
async fn an_eleventh_message_or_a_missing_queue_is_an_error() {
    let (sqs, url) = lines("EVENTS_QUEUE_URL").await;
    let messages: Vec<_> = (0..11).map(|_| event_message()).collect();

    let too_many = SqsEventQueue::new(sqs.clone(), url).send(&messages).await;
    let nowhere = SqsEventQueue::new(sqs, "http://localhost/000000000000/nowhere".to_owned());
    let nowhere = nowhere.send(&messages[..1]).await;

    for sent in [too_many, nowhere] {
        assert!(matches!(sent, Err(StoreError::Unavailable { operation: "send_events", .. })), "{sent:?}");
    }
}

#[tokio::test]
async fn refresh_messages_read_back_as_they_were_sent_each_at_its_time() {
    let (sqs, url) = queue().await;
    let message = || RefreshMessage::new(vec![sample::key(), sample::key()], Trigger::Scheduled);
    let (now, later) = (message(), message());
    let delayed = |message: &RefreshMessage, delay| Delayed { message: message.clone(), delay };
    let messages = [delayed(&later, Duration::from_millis(1_500)), delayed(&now, Duration::ZERO)];

    SqsRefreshQueue::new(sqs.clone(), url.clone()).send(&messages).await.unwrap();

    for expected in [now, later] {
        let found = received(&sqs, &url).await;
        let found: Vec<_> =
            found.iter().map(|message| RefreshMessage::parse(message.body().unwrap())).collect();
        assert_eq!(found.into_iter().collect::<Result<Vec<_>, _>>().unwrap(), [expected.checked().unwrap()]);
    }
}

#[tokio::test]
async fn no_refresh_message_is_no_call_and_an_eleventh_is_an_error() {
    let (sqs, url) = queue().await;
    let message = RefreshMessage::new(vec![sample::key()], Trigger::Scheduled);
    let messages = vec![Delayed { message, delay: Duration::ZERO }; 11];

    let nowhere = SqsRefreshQueue::new(sqs.clone(), "http://localhost/000000000000/nowhere".to_owned());
    nowhere.send(&[]).await.unwrap();
    let too_many = SqsRefreshQueue::new(sqs, url).send(&messages).await;

    assert!(
        matches!(too_many, Err(StoreError::Unavailable { operation: "send_refresh", .. })),
        "{too_many:?}"
    );
}

#[tokio::test]
async fn a_spilled_token_set_reads_back_as_it_was() {
    let (sqs, url) = queue().await;
    let spilled = SpilledTokens {
        v: SPILL_VERSION,
        key: sample::key(),
        fence: 8,
        replaces: "0123".to_owned(),
        tokens: sample::tokens(2, at(1), 1_500),
    };

    SqsRecoveryQueue::new(sqs.clone(), url.clone()).spill(&spilled).await.unwrap();

    let found = received(&sqs, &url).await;
    assert_eq!(serde_json::from_str::<SpilledTokens>(found[0].body().unwrap()).unwrap(), spilled);
}

#[tokio::test]
async fn a_job_goes_to_its_lane_and_a_lane_that_is_not_there_is_an_error() {
    let (sqs, high) = queue().await;
    let (_, low) = queue().await;
    let lanes = SyncLanes { high: Some(high.clone()), normal: None, low: Some(low.clone()) };
    let lanes = SqsSyncQueue::new(sqs.clone(), lanes);
    let job = || SyncJob::full(ids().job(), sample::key(), sample::company());
    let (first, second) = (job(), job());

    lanes.send(Lane::High, std::slice::from_ref(&first)).await.unwrap();
    lanes.send(Lane::Low, std::slice::from_ref(&second)).await.unwrap();

    assert!(matches!(
        lanes.send(Lane::Normal, std::slice::from_ref(&first)).await,
        Err(StoreError::Unavailable { .. })
    ));
    for (url, job) in [(high, first), (low, second)] {
        let found = received(&sqs, &url).await;
        assert_eq!(found.len(), 1);
        assert_eq!(LaneMessage::parse(found[0].body().unwrap()).unwrap(), LaneMessage::Job(job));
    }
}

#[tokio::test]
async fn a_message_that_nobody_understands_keeps_its_body_and_its_reason() {
    let (sqs, url) = queue().await;
    let body = "{\"v\":9,\"ü\":\"<&>\"}";

    let letter = Letter { id: "1", body, group: None };
    SqsDeadLetters::new(sqs.clone(), url.clone()).send(letter, &"too\nlong ".repeat(100)).await.unwrap();

    let found = received(&sqs, &url).await;
    assert_eq!(found[0].body(), Some(body));
    let reason = attribute(&found[0], "reason").unwrap();
    assert!(reason.starts_with("too long too") && reason.chars().count() == 256, "{reason}");
}

#[tokio::test]
async fn a_message_of_a_line_that_nobody_understands_is_put_away_once() {
    let (sqs, url) = lines("EVENTS_DLQ_URL").await;
    let letters = SqsDeadLetters::new(sqs.clone(), url.clone());
    let letter = |id, body| Letter { id, body, group: Some("quickbooks_1") };

    for (id, body) in [("1", "first"), ("1", "first"), ("2", "second")] {
        letters.send(letter(id, body), "senseless").await.unwrap();
    }

    let found = received(&sqs, &url).await;
    assert_eq!(found.iter().filter_map(Message::body).collect::<Vec<_>>(), ["first", "second"]);
}

#[tokio::test]
async fn a_postponed_message_comes_again_at_its_time_and_not_at_its_queues() {
    let (sqs, url) = queue().await;
    let source = SqsSource::new(sqs.clone(), url.clone(), url.clone());
    sqs.send_message().queue_url(&url).message_body("{}").send().await.unwrap();
    let first = received(&sqs, &url).await;
    let handle = first[0].receipt_handle().unwrap();

    source.postpone(handle, Duration::from_secs(1)).await.unwrap();

    // The queue itself would hide it for half a minute.
    assert_eq!(received(&sqs, &url).await[0].message_id(), first[0].message_id());
    let nowhere = source.postpone("not a handle", Duration::from_secs(1)).await;
    assert!(matches!(nowhere, Err(StoreError::Unavailable { operation: "postpone", .. })), "{nowhere:?}");
}

#[tokio::test]
async fn an_event_reaches_a_subscriber_of_the_bus_with_its_name() {
    let stack = Stack::running();
    let (sqs, url) = queue().await;
    let attributes = sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
    let attributes = attributes.send().await.unwrap().attributes.unwrap();
    let bridge = clients::eventbridge(&sdk(&stack).await);
    let (bus, rule, key) = (stack.value("EVENT_BUS").to_owned(), ids().write(), sample::key());
    let pattern =
        serde_json::json!({"source": ["ledgerbridge"], "detail": {"tenantId": [key.tenant.as_str()]}});
    let request = bridge.put_rule().event_bus_name(&bus).name(&rule).event_pattern(pattern.to_string());
    request.send().await.unwrap();
    let target = aws_sdk_eventbridge::types::Target::builder().id("queue");
    let target = target.arn(&attributes[&QueueAttributeName::QueueArn]).build().unwrap();
    bridge.put_targets().event_bus_name(&bus).rule(&rule).targets(target).send().await.unwrap();
    let event = Event::new(EventKind::TokenRefreshed, &key, Provider::QuickBooks, at(0));

    EventBridgeBus::new(bridge.clone(), bus.clone()).publish(&event).await.unwrap();

    let found = received(&sqs, &url).await;
    let body: serde_json::Value = serde_json::from_str(found[0].body().unwrap()).unwrap();
    assert_eq!((&body["source"], &body["detail-type"]), (&"ledgerbridge".into(), &"token.refreshed".into()));
    assert_eq!(body["detail"], serde_json::to_value(&event).unwrap());
    bridge.remove_targets().event_bus_name(&bus).rule(&rule).ids("queue").send().await.unwrap();
    bridge.delete_rule().event_bus_name(&bus).name(&rule).send().await.unwrap();
}

fn refresh_of_nothing() -> RefreshMessage {
    RefreshMessage::new(vec![sample::key()], Trigger::Manual)
}

#[tokio::test]
async fn the_refresh_function_answers_who_invokes_it() {
    let stack = Stack::running();
    let lambda = clients::lambda(&sdk(&stack).await);
    let refresh = LambdaRefresh::new(&lambda, stack.value("REFRESH_FUNCTION").to_owned());
    let message = refresh_of_nothing();

    let answers = refresh.invoke(&message, Duration::from_mins(1)).await.unwrap().unwrap();

    assert_eq!(answers.len(), 1);
    assert_eq!((&answers[0].key, answers[0].result), (&message.connections[0], RefreshResult::Missing));
}

fn end_of_nothing() -> DisconnectMessage {
    DisconnectMessage::of(sample::key())
}

#[tokio::test]
async fn the_refresh_function_answers_who_asks_it_to_end_a_connection() {
    let stack = Stack::running();
    let lambda = clients::lambda(&sdk(&stack).await);
    let refresh = LambdaRefresh::new(&lambda, stack.value("REFRESH_FUNCTION").to_owned());

    let answer = refresh.disconnect(&end_of_nothing(), Duration::from_mins(1)).await.unwrap().unwrap();

    assert_eq!(answer.result, DisconnectResult::Missing);
    // A message of another version is refused by the function.
    let unknown = DisconnectMessage { v: 9, ..end_of_nothing() };
    let refused = refresh.disconnect(&unknown, Duration::from_mins(1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { operation: "disconnect", .. })), "{refused:?}");
}

#[tokio::test]
async fn who_cannot_wait_gets_no_answer_and_no_error() {
    let stack = Stack::running();
    let lambda = clients::lambda(&sdk(&stack).await);
    let refresh = LambdaRefresh::new(&lambda, stack.value("REFRESH_FUNCTION").to_owned());

    assert_eq!(refresh.invoke(&refresh_of_nothing(), Duration::ZERO).await.unwrap(), None);
    assert_eq!(refresh.disconnect(&end_of_nothing(), Duration::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn a_function_that_fails_or_is_not_there_is_an_error() {
    let stack = Stack::running();
    let lambda = clients::lambda(&sdk(&stack).await);
    // A message that names nobody is refused by the function.
    let nobody = RefreshMessage::new(vec![], Trigger::Manual);
    let refused = LambdaRefresh::new(&lambda, stack.value("REFRESH_FUNCTION").to_owned());
    let refused = refused.invoke(&nobody, Duration::from_mins(1)).await;
    let nowhere = LambdaRefresh::new(&lambda, "nowhere".to_owned());
    let nowhere = nowhere.invoke(&refresh_of_nothing(), Duration::from_mins(1)).await;

    for invoked in [refused, nowhere] {
        assert!(matches!(invoked, Err(StoreError::Unavailable { operation: "invoke", .. })), "{invoked:?}");
    }
}
