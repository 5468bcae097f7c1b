//! What is taken off connections, and connections that are forgotten.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{
    connection::{ConnectionKey, ConnectionState, ConnectionStore as _},
    id::CompanyId,
    store::StoreError,
};

use crate::{
    DynamoConnections, connection_item, erase,
    failure::{Conditional, conditional, unavailable},
    item::{Reader, names, number, text},
    keys::{self, FENCE, Key, PK, SK, STATE},
};

impl DynamoConnections {
    /// Takes a company off. That it left is noted before, so that what was synced of it is never forgotten; where the company
    /// stays, or comes back, the note says too much, which is harmless.
    pub(crate) async fn take_off(
        &self,
        key: &ConnectionKey,
        company: &CompanyId,
        fence: u64,
    ) -> Result<(), StoreError> {
        let note = self.client.update_item().table_name(&self.table);
        let note = note.set_key(Some(Key::left(key, company).into_item()));
        note.send().await.map_err(unavailable("delete_company"))?;
        let condition = format!("attribute_not_exists(#{FENCE}) OR #{FENCE} <= :fence");
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::company(key, company).into_item()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":fence", number(fence))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        conditional("delete_company", request.send().await)?;
        Ok(())
    }

    /// The companies that were taken off; one page holds thousands.
    pub(crate) async fn left(&self, key: &ConnectionKey) -> Result<Vec<CompanyId>, StoreError> {
        let prefix = keys::left_prefix(key);
        let output =
            self.query_tenant(&key.tenant, &prefix).send().await.map_err(unavailable("list_left"))?;
        output.items().iter().map(|item| Reader::new("company", item).parsed_after(SK, &prefix)).collect()
    }

    /// Deletes the routes that were released by a connection, whose names would else outlive it; not those that are others'
    /// by now.
    async fn forget_routes(&self, key: &ConnectionKey) -> Result<(), StoreError> {
        let listed = self.list_companies(key).await?.into_iter().map(|company| company.id);
        let companies: BTreeSet<_> = listed.chain(self.left(key).await?).collect();
        for (provider, company) in companies.iter().filter_map(CompanyId::parts) {
            self.delete_routes(key, (provider, &company)).await?;
        }
        Ok(())
    }

    /// Forgets a connection that has ended: its companies first, so that they are found as long as there is any, and before
    /// them the routes that are found by them.
    pub(crate) async fn forget_ended(&self, key: &ConnectionKey) -> Result<bool, StoreError> {
        const OPERATION: &str = "forget";
        let found = self.find_item(key, OPERATION).await?;
        let found = found.as_ref().map(connection_item::read).transpose()?;
        if found.is_some_and(|connection| connection.state != ConnectionState::Disconnected) {
            return Ok(false);
        }
        self.forget_routes(key).await?;
        for prefix in [keys::companies_prefix(key), keys::left_prefix(key)] {
            let query = self.query_tenant(&key.tenant, &prefix);
            while !erase::page((&self.client, &self.table), query.clone(), OPERATION).await? {}
        }
        let condition = format!("attribute_not_exists(#{PK}) OR #{STATE} = :ended");
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(key).into_item()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":ended", text(ConnectionState::Disconnected.as_str()));
        // After a lost answer the second try finds nothing, which is what it wants.
        let deleted = conditional(OPERATION, request.send().await)?;
        Ok(matches!(deleted, Conditional::Written(_)))
    }
}
