//! What an operator reads: the functions' logs, every item of every table, what waits in a queue, events on the bus.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client as Logs;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use domain::{clock::SystemClock, entropy::SystemEntropy, id::Ids};
use serde_json::{Value, json};

use super::{Bundle, PATIENCE, eventually};

const FUNCTIONS: [&str; 5] =
    ["API_FUNCTION", "OAUTH_FUNCTION", "REFRESH_FUNCTION", "SYNC_FUNCTION", "WEBHOOK_FUNCTION"];
const TABLES: [&str; 5] =
    ["CONNECTIONS_TABLE", "CONTROL_TABLE", "DELIVERIES_TABLE", "HISTORY_TABLE", "RECORDS_TABLE"];

impl Bundle {
    /// Every line that one function ever wrote.
    pub(crate) async fn log(&self, function: &str) -> Vec<String> {
        let (logs, group) = (Logs::new(&self.sdk), format!("/aws/lambda/{}", self.stack.value(function)));
        let mut lines = Vec::new();
        let mut pages = logs.filter_log_events().log_group_name(group).into_paginator().send();
        while let Some(page) = pages.next().await {
            let events = page.unwrap().events.unwrap_or_default();
            lines.extend(events.into_iter().filter_map(|event| event.message));
        }
        lines
    }

    /// Every line of every function, by function.
    pub(crate) async fn logs(&self) -> Vec<(String, Vec<String>)> {
        let mut logs = Vec::new();
        for function in FUNCTIONS {
            logs.push((function.to_owned(), self.log(function).await));
        }
        logs
    }

    /// Every value of every item of every table, by table: texts, numbers and the bytes of sealed values.
    pub(crate) async fn tables(&self) -> Vec<(String, Vec<Vec<u8>>)> {
        let dynamodb = aws::clients::dynamodb(&self.sdk);
        let mut tables = Vec::new();
        for table in TABLES {
            let mut values = Vec::new();
            let mut pages = dynamodb.scan().table_name(self.stack.value(table)).into_paginator().send();
            while let Some(page) = pages.next().await {
                for item in page.unwrap().items.unwrap_or_default() {
                    collect(&AttributeValue::M(item), &mut values);
                }
            }
            tables.push((table.to_owned(), values));
        }
        tables
    }

    /// What waits in a queue or is being worked on, as text.
    pub(crate) async fn waiting_in(&self, queue: &str) -> String {
        let url = format!("{}/_aws/sqs/messages", self.stack.value("AWS_ENDPOINT_URL"));
        let query = [("QueueUrl", queue), ("ShowInvisible", "true"), ("ShowDelayed", "true")];
        let answer = self.send(self.http.get(url).query(&query).header("accept", "application/json")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Whether nothing waits in a queue, is on its way or being worked on.
    pub(crate) async fn is_empty(&self, queue: &str) -> bool {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = aws::clients::sqs(&self.sdk).get_queue_attributes().queue_url(queue);
        let attributes = request.set_attribute_names(Some(names.to_vec())).send().await.unwrap().attributes;
        attributes.unwrap().values().all(|number| number == "0")
    }

    /// The resource name of a queue.
    pub(crate) async fn arn_of(&self, queue: &str) -> String {
        let request = aws::clients::sqs(&self.sdk).get_queue_attributes().queue_url(queue);
        let request = request.attribute_names(QueueAttributeName::QueueArn);
        request.send().await.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone()
    }

    /// How many messages wait in a queue.
    pub(crate) async fn count_in(&self, queue: &str) -> usize {
        let sqs = aws::clients::sqs(&self.sdk);
        let wanted = QueueAttributeName::ApproximateNumberOfMessages;
        let request = sqs.get_queue_attributes().queue_url(queue).attribute_names(wanted.clone());
        let attributes = request.send().await.unwrap().attributes.unwrap();
        attributes[&wanted].parse().unwrap()
    }

    /// Makes a queue, with a time for which its messages stay invisible; gives its address.
    pub(crate) async fn make_queue(&self, invisible_for: Duration) -> String {
        let request = aws::clients::sqs(&self.sdk)
            .create_queue()
            .queue_name(Ids::new(&SystemClock, &SystemEntropy).write())
            .attributes(QueueAttributeName::VisibilityTimeout, invisible_for.as_secs().to_string());
        request.send().await.unwrap().queue_url.unwrap()
    }

    /// Puts a message into a queue.
    pub(crate) async fn send_to(&self, queue: &str, body: &str) {
        let request = aws::clients::sqs(&self.sdk).send_message().queue_url(queue).message_body(body);
        request.send().await.unwrap();
    }

    /// Waits for the next message of a queue; gives its body.
    pub(crate) async fn next_from(&self, queue: &str) -> String {
        let sqs = aws::clients::sqs(&self.sdk);
        eventually("a message comes into the queue", PATIENCE, async || {
            let received = sqs.receive_message().queue_url(queue).send().await.unwrap();
            received.messages.unwrap_or_default().pop()?.body
        })
        .await
    }

    /// Waits for the next message of a queue of dead letters and leaves it there; gives its body and its reason.
    pub(crate) async fn letter_from(&self, queue: &str) -> (String, String) {
        let sqs = aws::clients::sqs(&self.sdk);
        eventually("a dead letter comes", PATIENCE, async || {
            let request = sqs.receive_message().queue_url(queue).visibility_timeout(0);
            let received = request.message_attribute_names("All").send().await.unwrap();
            let letter = received.messages.unwrap_or_default().pop()?;
            let reason = letter.message_attributes?.remove("reason")?.string_value?;
            Some((letter.body?, reason))
        })
        .await
    }

    /// Puts all dead letters back into the queue that they are of, as an operator does.
    pub(crate) async fn redrive(&self, dead_letters: &str, queue: &str) {
        let (sqs, letters) = (aws::clients::sqs(&self.sdk), self.arn_of(dead_letters).await);
        let policy = json!({ "deadLetterTargetArn": letters, "maxReceiveCount": 1000 }).to_string();
        let request = sqs.set_queue_attributes().queue_url(queue);
        request.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
        let request = sqs.start_message_move_task().source_arn(letters);
        request.destination_arn(self.arn_of(queue).await).send().await.unwrap();
    }

    /// Makes an event bus; gives its name.
    pub(crate) async fn make_bus(&self) -> String {
        let name = Ids::new(&SystemClock, &SystemEntropy).write();
        aws::clients::eventbridge(&self.sdk).create_event_bus().name(&name).send().await.unwrap();
        name
    }

    /// Listens on the bus for what happens to one tenant, until `kinds` have come; gives the events.
    pub(crate) async fn overhear(
        &self,
        tenant: &str,
        kinds: &[&str],
        act: impl Future<Output = ()>,
    ) -> Vec<Value> {
        let pattern = json!({ "source": ["ledgerbridge"], "detail": { "tenantId": [tenant] } });
        self.listen((self.stack.value("EVENT_BUS"), &pattern), kinds, act).await
    }

    /// Listens on a bus for events of a pattern, until `kinds` have come; gives the events.
    pub(crate) async fn listen(
        &self,
        (bus, pattern): (&str, &Value),
        kinds: &[&str],
        act: impl Future<Output = ()>,
    ) -> Vec<Value> {
        let (sqs, bridge) = (aws::clients::sqs(&self.sdk), aws::clients::eventbridge(&self.sdk));
        let name = Ids::new(&SystemClock, &SystemEntropy).write();
        let queue = self.make_queue(PATIENCE).await;
        let pattern = pattern.to_string();
        bridge.put_rule().event_bus_name(bus).name(&name).event_pattern(pattern).send().await.unwrap();
        let target = Target::builder().id("queue").arn(self.arn_of(&queue).await).build().unwrap();
        bridge.put_targets().event_bus_name(bus).rule(&name).targets(target).send().await.unwrap();
        act.await;
        let mut heard: Vec<Value> = Vec::new();
        eventually(&format!("{kinds:?} come over the bus"), PATIENCE, async || {
            let received =
                sqs.receive_message().queue_url(&queue).max_number_of_messages(10).send().await.unwrap();
            let bodies = received.messages.unwrap_or_default().into_iter().filter_map(|message| message.body);
            heard.extend(bodies.map(|body| serde_json::from_str::<Value>(&body).unwrap()));
            let has = |kind: &&str| heard.iter().any(|event| event["detail-type"] == **kind);
            kinds.iter().all(has).then_some(())
        })
        .await;
        bridge.remove_targets().event_bus_name(bus).rule(&name).ids("queue").send().await.unwrap();
        bridge.delete_rule().event_bus_name(bus).name(&name).send().await.unwrap();
        sqs.delete_queue().queue_url(&queue).send().await.unwrap();
        heard
    }
}

fn collect(value: &AttributeValue, values: &mut Vec<Vec<u8>>) {
    match value {
        AttributeValue::M(members) => {
            for (name, member) in members {
                values.push(name.clone().into_bytes());
                collect(member, values);
            }
        }
        AttributeValue::L(items) => items.iter().for_each(|item| collect(item, values)),
        AttributeValue::S(text) | AttributeValue::N(text) => values.push(text.clone().into_bytes()),
        AttributeValue::Ss(texts) => values.extend(texts.iter().map(|text| text.clone().into_bytes())),
        AttributeValue::B(bytes) => values.push(bytes.clone().into_inner()),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => {}
        other => panic!("an attribute of a type that is not searched: {other:?}"),
    }
}
