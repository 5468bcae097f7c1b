//! What Ledgerbridge keeps in AWS: the domain's ports on `DynamoDB`, KMS, SQS, `EventBridge` and Lambda.
//!
//! Each file holds one adapter and is named like the port's own file. Attribute names and keys of tables that several
//! adapters share are in `keys`; those that only one adapter knows are beside it.
//!
//! Every conditional write is prepared for a lost answer: the SDK sends it again, and the condition then fails on what
//! the first try wrote. Where that would do harm, the write carries something that is its alone (a write id, an attempt
//! id, a hash), asks for the item on failure, and knows itself again; where it does none, a comment says why.

mod api_key;
mod attempts;
mod audit;
mod authorization;
mod batch_get;
mod books_erasure;
mod breaker_store;
mod budgets;
mod call_counts;
mod changed_index;
pub mod clients;
mod clock;
mod company_leases;
mod completion;
mod connect;
mod connection_item;
mod connection_store;
mod cursor;
mod cursor_key;
mod data_keys;
mod dead_letters;
mod deliveries;
mod due_index;
mod erase;
mod event_bus;
mod event_queue;
mod failure;
mod farewell;
mod flights;
mod idempotency;
mod item;
mod jobs;
mod keys;
mod packed;
mod partiql;
mod probes;
mod record_batch;
mod record_item;
mod records;
mod recovery_queue;
mod refresh_invoker;
mod refresh_queue;
mod refresh_store;
mod request_names;
mod route;
mod sdk;
mod secrets;
mod settlement;
mod source;
mod standings;
mod subscriptions;
mod sweep_log;
mod sync_queue;
mod tallies;
mod tenant;
mod transaction;
mod transition;
mod update;
mod usage;
mod user;
mod walks;

pub use api_key::DynamoApiKeys;
pub use attempts::{DEFAULT_RETENTION, DynamoAttempts};
pub use audit::DynamoAudit;
pub use authorization::DynamoAuthorizations;
pub use breaker_store::DynamoBreakers;
pub use budgets::DynamoBudgets;
pub use call_counts::DynamoCallCounts;
pub use clients::SdkConfig;
pub use company_leases::DynamoLeases;
pub use connection_store::DynamoConnections;
pub use cursor_key::DynamoCursorKey;
pub use data_keys::KmsDataKeys;
pub use dead_letters::{Letter, SqsDeadLetters};
pub use deliveries::DynamoDeliveries;
pub use event_bus::EventBridgeBus;
pub use event_queue::SqsEventQueue;
pub use flights::DynamoFlights;
pub use idempotency::DynamoIdempotency;
pub use jobs::DynamoJobs;
pub use probes::{DynamoProbe, KmsProbe, SqsProbe};
pub use records::DynamoRecords;
pub use recovery_queue::SqsRecoveryQueue;
pub use refresh_invoker::LambdaRefresh;
pub use refresh_queue::SqsRefreshQueue;
pub use request_names::DynamoRequestNames;
pub use sdk::sdk_config;
pub use secrets::{FetchSecretError, fetch_secret, refetch_secret};
pub use source::SqsSource;
pub use subscriptions::DynamoSubscriptions;
pub use sweep_log::DynamoSweepLog;
pub use sync_queue::{SqsSyncQueue, SyncLanes};
pub use tallies::DynamoTallies;
pub use tenant::DynamoTenants;
pub use usage::DynamoUsage;
pub use user::DynamoUsers;
