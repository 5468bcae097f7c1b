//! The functions' own wiring on tables and a queue that nobody else uses, every call counted.

use std::{collections::HashMap, sync::Arc};

use aws::{DynamoConnections, SdkConfig, clients};
use aws_sdk_dynamodb::types::{BillingMode, GlobalSecondaryIndex};
use axum::Router;
use domain::connection::{ConnectOutcome, Connection, ConnectionKey, ConnectionStore as _};
use tests::sample::{self, ids};

use crate::{meter::Meter, stack::Stack};

/// How many shards the due index has, as by default.
pub(crate) const DUE_SHARDS: u32 = 4;
/// What the functions are told as they are on the stack.
const AS_DEPLOYED: [&str; 14] = [
    "ENVIRONMENT",
    "EVENT_BUS",
    "EVENTS_DLQ_URL",
    "EVENTS_QUEUE_URL",
    "RECOVERY_DLQ_URL",
    "RECOVERY_QUEUE_URL",
    "REFRESH_DLQ_URL",
    "REFRESH_FUNCTION",
    "SYNC_DLQ_URL",
    "SYNC_HIGH_DLQ_URL",
    "SYNC_QUEUE_HIGH_URL",
    "SYNC_LOW_DLQ_URL",
    "SYNC_QUEUE_LOW_URL",
    "SYNC_QUEUE_URL",
];
/// Tables of which a test has its own: the clock of the stack refreshes what it finds due in the others.
const OWN_TABLES: [&str; 5] =
    ["CONNECTIONS_TABLE", "CONTROL_TABLE", "DELIVERIES_TABLE", "HISTORY_TABLE", "RECORDS_TABLE"];

/// A deployment of its own, as far as its data goes.
pub(crate) struct Measured {
    pub(crate) meter: Meter,
    pub(crate) sdk: SdkConfig,
    counted: SdkConfig,
    endpoint: String,
    variables: HashMap<&'static str, String>,
}

impl Measured {
    pub(crate) async fn new() -> Self {
        let stack = Stack::running();
        let sdk = stack.sdk().await;
        let endpoint = stack.value("AWS_ENDPOINT_URL").to_owned();
        let meter = Meter::to(&endpoint).await;
        let counted = sdk.clone().into_builder().endpoint_url(&meter.url).build();
        let mut variables: HashMap<_, _> =
            AS_DEPLOYED.into_iter().map(|name| (name, stack.value(name).to_owned())).collect();
        for name in OWN_TABLES {
            variables.insert(name, table_like(&sdk, stack.value(name)).await);
        }
        let key = stack.value("TOKEN_KEY_ID").to_owned();
        let id_and_secret = ["QUICKBOOKS_CLIENT_ID", "QUICKBOOKS_CLIENT_SECRET"];
        variables.extend(id_and_secret.map(|name| (name, "unused".to_owned())));
        variables.extend([("TOKEN_KEY_ID", key), ("REFRESH_QUEUE_URL", queue(&sdk).await)]);
        Self { meter, sdk, counted, endpoint, variables }
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        &self.variables[name]
    }

    /// Told something else by one variable.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.variables.insert(name, value);
        self
    }

    /// A new process of the `refresh` function, whose calls are counted.
    pub(crate) fn worker(&self) -> refresh::Deps {
        let config = refresh::Config::from_lookup(&|name| self.variables.get(name).cloned()).unwrap();
        refresh::wire(config, &self.counted).unwrap()
    }

    /// A new process of the `sync` function, whose calls are counted.
    pub(crate) fn reader(&self) -> sync::Deps {
        let config = sync::Config::from_lookup(&|name| self.variables.get(name).cloned()).unwrap();
        sync::wire(config, &self.counted).unwrap()
    }

    /// A new process of the `api` function over this way to AWS.
    fn front_over(&self, sdk: &SdkConfig) -> Router {
        let config = api::Config::from_lookup(&|name| self.variables.get(name).cloned()).unwrap();
        api::router(Arc::new(api::wire(config, sdk).unwrap()))
    }

    /// A new process of the `api` function, whose calls are counted.
    pub(crate) fn front(&self) -> Router {
        self.front_over(&self.counted)
    }

    /// One whose calls nothing delays.
    pub(crate) fn direct_front(&self) -> Router {
        self.front_over(&self.sdk)
    }

    /// Puts an empty table in the place of the one where breakers are and the sweep leaves its marks, and an empty queue in
    /// the place of the refresh queue.
    pub(crate) async fn forget_sweeps(&mut self) {
        let control = table_like(&self.sdk, self.value("CONTROL_TABLE")).await;
        let queue = queue(&self.sdk).await;
        self.variables.extend([("CONTROL_TABLE", control), ("REFRESH_QUEUE_URL", queue)]);
    }

    /// Stores a connection, uncounted.
    pub(crate) async fn store(&self, connection: Connection) -> ConnectionKey {
        let key = connection.key.clone();
        let dynamodb = clients::dynamodb(&self.sdk);
        let connections =
            DynamoConnections::new(dynamodb, self.value("CONNECTIONS_TABLE").to_owned(), DUE_SHARDS);
        let stored = connections.connect(&sample::new_connection(connection)).await.unwrap();
        assert_eq!(stored, ConnectOutcome::Stored);
        key
    }

    /// The body of each message on the refresh queue, those that are not visible yet too.
    pub(crate) async fn on_queue(&self) -> Vec<String> {
        let http = providers::http::client().unwrap();
        let query = [("QueueUrl", self.value("REFRESH_QUEUE_URL")), ("ShowDelayed", "true")];
        let url = format!("{}/_aws/sqs/messages", self.endpoint);
        let request = http.get(url).query(&query).header("accept", "application/json");
        let answer: serde_json::Value =
            serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
        let messages = &answer["ReceiveMessageResponse"]["ReceiveMessageResult"]["Message"];
        let bodies = |message: &serde_json::Value| message["Body"].as_str().map(str::to_owned);
        match messages {
            serde_json::Value::Array(messages) => messages.iter().filter_map(bodies).collect(),
            // One message stands alone.
            message => bodies(message).into_iter().collect(),
        }
    }
}

/// An empty table with keys and indexes as another, which the template made.
async fn table_like(sdk: &SdkConfig, deployed: &str) -> String {
    let dynamodb = clients::dynamodb(sdk);
    let described = dynamodb.describe_table().table_name(deployed).send().await.unwrap().table.unwrap();
    let indexes = described.global_secondary_indexes.map(|indexes| {
        let index = |described: aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription| {
            GlobalSecondaryIndex::builder()
                .set_index_name(described.index_name)
                .set_key_schema(described.key_schema)
                .set_projection(described.projection)
                .build()
                .unwrap()
        };
        indexes.into_iter().map(index).collect()
    });
    let name = format!("costs-{}", ids().write());
    let request = dynamodb
        .create_table()
        .table_name(&name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(described.attribute_definitions)
        .set_key_schema(described.key_schema)
        .set_global_secondary_indexes(indexes);
    request.send().await.unwrap();
    name
}

async fn queue(sdk: &SdkConfig) -> String {
    let request = clients::sqs(sdk).create_queue().queue_name(ids().write());
    request.send().await.unwrap().queue_url.unwrap()
}

/// The one owner of something that was just made, to put something else into it.
pub(crate) fn alone<T>(made: &mut Arc<T>) -> &mut T {
    Arc::get_mut(made).expect("nobody else has it yet")
}
