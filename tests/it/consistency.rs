//! What must be read as it is at this moment.

use aws::{DynamoConnections, clients};
use domain::connection::ConnectionStore as _;
use tests::sample;

use crate::aws_endpoint::AwsEndpoint;

#[tokio::test]
async fn a_tenants_list_shows_what_was_connected_a_moment_ago() {
    let aws = AwsEndpoint::start().await;
    let store = DynamoConnections::new(clients::dynamodb(&aws.sdk().await), "connections".to_owned(), 1);

    store.list(Some(&sample::tenant()), 10, None).await.unwrap();

    assert_eq!(aws.calls()[0].body["ConsistentRead"], true);
}
