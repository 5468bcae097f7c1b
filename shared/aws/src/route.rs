//! Routes in `DynamoDB`: by which a provider's company finds the connection that it belongs to.
//!
//! A company that one tenant has is routed by one item, `OWNER`, so that its condition keeps every other tenant out.
//! Where tenants may share a company, each has an item of its own. A tenant can have both, since that setting may change:
//! the one that was written later is right.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    error::BuildError,
    types::{AttributeValue, Put as PutItem, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    connection::{ConnectionKey, NewConnection, PlacedCompany, Route},
    id::{ProviderCompanyId, TenantId},
    provider::Provider,
    store::StoreError,
};

use crate::{
    DynamoConnections,
    failure::{conditional, unavailable},
    item::{Item, Put as _, Reader, names, number, text},
    keys::{self, FENCE, Key, PK, WRITE_ID},
};

const TENANT: &str = "tenant";
const CONNECTION: &str = "connection";
const COMPANY: &str = "company";
const RELEASED: &str = "released";
const WHAT: &str = "route";

impl DynamoConnections {
    /// A company has one owner, and within it one connection: two that both refreshed would spend each other's tokens.
    pub(crate) fn put_route(
        &self,
        new: &NewConnection,
        placed: &PlacedCompany,
    ) -> Result<PutItem, BuildError> {
        let connection = &new.connection;
        let (tenant, own) = (&connection.key.tenant, &connection.key.connection);
        let company = &placed.company;
        let condition = format!(
            "attribute_not_exists(#{PK}) OR #{RELEASED} = :released \
             OR (#{TENANT} = :tenant AND #{CONNECTION} IN (:own, :from))"
        );
        let key = if new.shared {
            Key::sharer(connection.provider, &company.provider_id, tenant)
        } else {
            Key::owner(connection.provider, &company.provider_id)
        };
        let item = key
            .into_item()
            .put(TENANT, text(tenant.as_str()))
            .put(CONNECTION, text(own.as_str()))
            .put(COMPANY, text(company.id.as_str()))
            .put(FENCE, number(connection.fence))
            .put(WRITE_ID, text(&connection.write_id));
        PutItem::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":released", AttributeValue::Bool(true))
            .expression_attribute_values(":tenant", text(tenant.as_str()))
            .expression_attribute_values(":own", text(own.as_str()))
            .expression_attribute_values(":from", text(placed.from.as_ref().unwrap_or(own).as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
    }

    /// Reads the routes of a company, one for each tenant; consistent, since the first webhook or a second callback may
    /// follow a connect at once.
    pub(crate) async fn routes(
        &self,
        provider: Provider,
        company: &ProviderCompanyId,
    ) -> Result<Vec<Route>, StoreError> {
        let condition = format!("#{PK} = :pk");
        // One page holds the routes of thousands of tenants.
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":pk", text(keys::routes_partition(provider, company)));
        let output = query.send().await.map_err(unavailable("find_routes"))?;
        let mut latest: BTreeMap<TenantId, (Option<String>, Route)> = BTreeMap::new();
        for item in output.items() {
            let route = read(item)?;
            // The mark of a write is time-ordered.
            let written = Reader::new(WHAT, item).owned_if(WRITE_ID)?;
            let known = latest.get(&route.key.tenant);
            if known.is_none_or(|(before, _)| *before < written) {
                latest.insert(route.key.tenant.clone(), (written, route));
            }
        }
        Ok(latest.into_values().map(|(_, route)| route).collect())
    }

    /// Marks both items that can be this connection's route, if they are; a mark that is there already changes nothing.
    pub(crate) async fn release(
        &self,
        key: &ConnectionKey,
        (provider, company): (Provider, &ProviderCompanyId),
        fence: u64,
    ) -> Result<(), StoreError> {
        let update = format!("SET #{RELEASED} = :released");
        let condition = format!(
            "#{TENANT} = :tenant AND #{CONNECTION} = :connection \
             AND (attribute_not_exists(#{FENCE}) OR #{FENCE} <= :fence)"
        );
        for route in [Key::owner(provider, company), Key::sharer(provider, company, &key.tenant)] {
            let request = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(route.into_item()))
                .set_expression_attribute_names(Some(names([&update, &condition])))
                .update_expression(&update)
                .condition_expression(&condition)
                .expression_attribute_values(":released", AttributeValue::Bool(true))
                .expression_attribute_values(":tenant", text(key.tenant.as_str()))
                .expression_attribute_values(":connection", text(key.connection.as_str()))
                .expression_attribute_values(":fence", number(fence));
            conditional("release_route", request.send().await)?;
        }
        Ok(())
    }

    /// Deletes both items that can be this connection's route, if they are.
    pub(crate) async fn delete_routes(
        &self,
        key: &ConnectionKey,
        (provider, company): (Provider, &ProviderCompanyId),
    ) -> Result<(), StoreError> {
        let condition = format!("#{TENANT} = :tenant AND #{CONNECTION} = :connection");
        for route in [Key::owner(provider, company), Key::sharer(provider, company, &key.tenant)] {
            let request = self
                .client
                .delete_item()
                .table_name(&self.table)
                .set_key(Some(route.into_item()))
                .set_expression_attribute_names(Some(names([&condition])))
                .condition_expression(&condition)
                .expression_attribute_values(":tenant", text(key.tenant.as_str()))
                .expression_attribute_values(":connection", text(key.connection.as_str()));
            conditional("forget", request.send().await)?;
        }
        Ok(())
    }
}

/// A route.
pub(crate) fn read(item: &Item) -> Result<Route, StoreError> {
    let reader = Reader::new(WHAT, item);
    Ok(Route {
        key: ConnectionKey { tenant: reader.parsed(TENANT)?, connection: reader.parsed(CONNECTION)? },
        company: reader.parsed(COMPANY)?,
        released: reader.flag_if(RELEASED)?.unwrap_or_default(),
    })
}
