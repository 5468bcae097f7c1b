//! Starting with a bad environment: one error that lists everything by name, and no value.

use edge::config::ConfigError;

const SECRETS: [(&str, &str); 4] = [
    ("QUICKBOOKS_CLIENT_SECRET", "s3cr3t-client"),
    ("QUICKBOOKS_WEBHOOK_SECRET", "s3cr3t-one,s3cr3t-two,s3cr3t-three"),
    ("QUICKBOOKS_TOKEN_URL", "s3cr3t-address"),
    ("REFRESH_LEASE_SECONDS", "s3cr3t-number"),
];

fn lookup(name: &str) -> Option<String> {
    SECRETS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// What is wrong, by name, with a configuration of which nothing was set but nonsense.
fn problems<T: std::fmt::Debug>(config: Result<T, ConfigError>) -> String {
    let error = config.unwrap_err();
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains("s3cr3t"), "a value is shown: {shown}");
    }
    error.problems.into_keys().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_function_lists_all_that_is_wrong_with_its_environment() {
    insta::assert_snapshot!(problems(oauth::Config::from_lookup(&lookup)), @"CONNECTIONS_TABLE CONTROL_TABLE ENVIRONMENT EVENT_BUS HISTORY_TABLE QUICKBOOKS_CLIENT_ID QUICKBOOKS_TOKEN_URL RECORDS_TABLE REFRESH_LEASE_SECONDS SYNC_QUEUE_LOW_URL TOKEN_KEY_ID");
    insta::assert_snapshot!(problems(webhook::Config::from_lookup(&lookup)), @"EVENTS_QUEUE_URL QUICKBOOKS_WEBHOOK_SECRET");
    insta::assert_snapshot!(problems(refresh::Config::from_lookup(&lookup)), @"CONNECTIONS_TABLE CONTROL_TABLE ENVIRONMENT EVENT_BUS HISTORY_TABLE QUICKBOOKS_CLIENT_ID QUICKBOOKS_TOKEN_URL RECOVERY_DLQ_URL RECOVERY_QUEUE_URL REFRESH_DLQ_URL REFRESH_LEASE_SECONDS REFRESH_QUEUE_URL TOKEN_KEY_ID");
    insta::assert_snapshot!(problems(sync::Config::from_lookup(&lookup)), @"CONNECTIONS_TABLE CONTROL_TABLE DELIVERIES_TABLE ENVIRONMENT EVENTS_DLQ_URL EVENTS_QUEUE_URL EVENT_BUS HISTORY_TABLE RECORDS_TABLE REFRESH_FUNCTION REFRESH_LEASE_SECONDS SYNC_DLQ_URL SYNC_HIGH_DLQ_URL SYNC_LOW_DLQ_URL SYNC_QUEUE_HIGH_URL SYNC_QUEUE_LOW_URL SYNC_QUEUE_URL TOKEN_KEY_ID");
    insta::assert_snapshot!(problems(api::Config::from_lookup(&lookup)), @"CONNECTIONS_TABLE CONTROL_TABLE DELIVERIES_TABLE ENVIRONMENT EVENTS_DLQ_URL EVENTS_QUEUE_URL EVENT_BUS HISTORY_TABLE RECORDS_TABLE RECOVERY_DLQ_URL RECOVERY_QUEUE_URL REFRESH_DLQ_URL REFRESH_FUNCTION REFRESH_LEASE_SECONDS REFRESH_QUEUE_URL SYNC_DLQ_URL SYNC_HIGH_DLQ_URL SYNC_LOW_DLQ_URL SYNC_QUEUE_HIGH_URL SYNC_QUEUE_LOW_URL SYNC_QUEUE_URL TOKEN_KEY_ID");
}
