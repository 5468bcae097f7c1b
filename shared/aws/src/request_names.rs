//! Names of requests in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    idempotency::{NamedRequest, RequestNames},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional},
    item::{Put as _, instant, names, number, text},
    keys::{Key, PK, TTL},
};

const REQUEST: &str = "request";
const UNTIL: &str = "until";

/// The table of names that callers gave their requests.
#[derive(Clone, Debug)]
pub struct DynamoRequestNames {
    client: Client,
    table: String,
}

impl DynamoRequestNames {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl RequestNames for DynamoRequestNames {
    async fn take(
        &self,
        named: &NamedRequest,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<bool, StoreError> {
        let item = Key::named_request(&named.name)
            .into_item()
            .put(REQUEST, text(&named.request))
            .put(UNTIL, instant(until))
            .put(TTL, number(until.as_second()));
        // The same request again is let through, and so is what was sent twice after a lost answer.
        let condition = format!("attribute_not_exists(#{PK}) OR #{REQUEST} = :request OR #{UNTIL} <= :now");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":request", text(&named.request))
            .expression_attribute_values(":now", instant(now));
        Ok(matches!(conditional("take", request.send().await)?, Conditional::Written(_)))
    }
}
