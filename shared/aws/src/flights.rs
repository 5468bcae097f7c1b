//! Requests under way in `DynamoDB`, so that the same question is asked once by all workers.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    proxy::{Begun, FlightKey, Flights, Landed, ProxyAnswer},
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, bytes, instant, names, number, text},
    keys::{Key, PK, TTL},
};

const OWNER: &str = "owner";
const UNTIL: &str = "until";
const WANTED: &str = "wanted";
const STATUS: &str = "status";
const HEADERS: &str = "headers";
const BODY: &str = "body";
/// How often a flight is joined that ends in that very moment, before one's own goes unmarked: it is only asked twice then.
const TRIES: usize = 3;

/// The table of requests under way.
#[derive(Clone, Debug)]
pub struct DynamoFlights {
    client: Client,
    table: String,
}

impl DynamoFlights {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Marks a flight as waited for; false where it has ended.
    async fn join(&self, key: &FlightKey, name: &str) -> Result<bool, StoreError> {
        let update = format!("SET #{WANTED} = :wanted");
        let condition = format!("#{OWNER} = :owner");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::flight(key).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":wanted", number(1))
            .expression_attribute_values(":owner", text(name));
        Ok(matches!(conditional("begin", request.send().await)?, Conditional::Written(_)))
    }
}

#[async_trait]
impl Flights for DynamoFlights {
    async fn begin(
        &self,
        key: &FlightKey,
        name: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Begun, StoreError> {
        let item = Key::flight(key)
            .into_item()
            .put(OWNER, text(name))
            .put(UNTIL, instant(until))
            .put(TTL, number(until.as_second()));
        // After a lost answer the flight is met under one's own name, and begins once more.
        let condition = format!("attribute_not_exists(#{PK}) OR #{UNTIL} <= :now OR #{OWNER} = :owner");
        for _ in 0..TRIES {
            let request = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item.clone()))
                .set_expression_attribute_names(Some(names([&condition])))
                .condition_expression(&condition)
                .expression_attribute_values(":now", instant(now))
                .expression_attribute_values(":owner", text(name))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            match conditional("begin", request.send().await)? {
                Conditional::Written(_) => return Ok(Begun::Mine),
                Conditional::Refused(item) => {
                    let name = Reader::new("flight", &item).text(OWNER)?.to_owned();
                    if self.join(key, &name).await? {
                        return Ok(Begun::Theirs { name });
                    }
                }
            }
        }
        Ok(Begun::Mine)
    }

    async fn land(
        &self,
        key: &FlightKey,
        (name, answer): (&str, Option<&ProxyAnswer>),
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let condition = format!("#{OWNER} = :owner");
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::flight(key).into_item()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":owner", text(name))
            .return_values(ReturnValue::AllOld);
        let is_wanted = match conditional("land", request.send().await)? {
            Conditional::Written(output) => {
                output.attributes.is_some_and(|flight| flight.contains_key(WANTED))
            }
            // It ended before, perhaps by this very call whose answer was lost: somebody may wait.
            Conditional::Refused(_) => true,
        };
        if is_wanted {
            let item = landed(key, (name, answer), until)?;
            let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
            request.send().await.map_err(unavailable("land"))?;
        }
        Ok(())
    }

    async fn find(&self, key: &FlightKey, name: &str) -> Result<Option<Landed>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::landed(key, name).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        output.item().map(read).transpose()
    }
}

fn landed(
    key: &FlightKey,
    (name, answer): (&str, Option<&ProxyAnswer>),
    until: Timestamp,
) -> Result<Item, StoreError> {
    let headers = answer.map(|answer| serde_json::to_string(&answer.headers)).transpose();
    Ok(Key::landed(key, name)
        .into_item()
        .put_if(STATUS, answer.map(|answer| number(answer.status)))
        .put_if(HEADERS, headers.map_err(unavailable("land"))?.map(text))
        .put_if(BODY, answer.map(|answer| bytes(&answer.body)))
        .put(TTL, number(until.as_second())))
}

fn read(item: &Item) -> Result<Landed, StoreError> {
    let reader = Reader::new("landed flight", item);
    let Some(status) = reader.number_if(STATUS)? else { return Ok(Landed { answer: None }) };
    let headers = serde_json::from_str(reader.text(HEADERS)?);
    let headers = headers.map_err(|error| reader.value(HEADERS, error))?;
    let body = reader.bytes(BODY)?.to_vec();
    Ok(Landed { answer: Some(ProxyAnswer { status, headers, body }) })
}
