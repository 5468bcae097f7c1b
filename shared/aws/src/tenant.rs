//! Tenants in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{Client, types::ReturnValuesOnConditionCheckFailure};
use domain::{
    id::TenantId,
    store::StoreError,
    tenant::{Tenant, TenantLimits, TenantPage, TenantState, TenantStore},
};

use crate::{
    cursor,
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, PK, TENANTS},
};
use serde_json::json;

const ID: &str = "id";
const NAME: &str = "name";
const PLAN: &str = "plan";
const API_CALLS_PER_MONTH: &str = "api_calls_per_month";
const INTEGRATIONS: &str = "integrations";
const USERS: &str = "users";
const STATE: &str = "state";
const SETTINGS: &str = "settings";
const VERSION: &str = "version";
const CREATED_AT: &str = "created_at";

/// The table of tenants.
#[derive(Clone, Debug)]
pub struct DynamoTenants {
    client: Client,
    table: String,
}

impl DynamoTenants {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl TenantStore for DynamoTenants {
    async fn insert(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let condition = format!("attribute_not_exists(#{PK})");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(tenant)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition);
        // After a lost answer this says that the id is taken, which is true; a tenant has nothing that is ours alone.
        let inserted = conditional("insert", request.send().await)?;
        Ok(matches!(inserted, Conditional::Written(_)))
    }

    async fn find(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::tenant(id).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        output.item().map(read).transpose()
    }

    async fn list(&self, limit: u32, from: Option<&str>) -> Result<TenantPage, StoreError> {
        let from = from.map(cursor::decode::<TenantId>).transpose()?;
        let condition = format!("#{PK} = :tenants");
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":tenants", text(TENANTS))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from.map(|id| Key::tenant(&id).into_item()));
        let output = query.send().await.map_err(unavailable("list"))?;
        let tenants = output.items().iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let more = output.last_evaluated_key().is_some();
        let next = tenants.last().filter(|_| more).map(|last| cursor::encode(last.id.as_str()));
        Ok(TenantPage { tenants, next })
    }

    async fn replace(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let item = write(tenant);
        let before = tenant.version.saturating_sub(1);
        let condition = replaces(before);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":before", number(before))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match conditional("replace", request.send().await)? {
            Conditional::Written(_) => true,
            // After a lost answer the second try is refused by the first, and finds what it was to write.
            Conditional::Refused(stored) => stored == item,
        })
    }

    async fn remove(&self, id: &TenantId) -> Result<(), StoreError> {
        let condition = format!("#{STATE} = :deleting");
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::tenant(id).into_item()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .expression_attribute_values(":deleting", text(TenantState::Deleting.as_str()));
        // Refused where it is gone already, or was made anew since: that one stays.
        conditional("remove", request.send().await)?;
        Ok(())
    }
}

/// That the version before is stored. Tenants of a time without versions count as their first one, as [`read`] has it.
fn replaces(before: u64) -> String {
    let is_it = format!("#{VERSION} = :before");
    if before > 1 {
        return is_it;
    }
    format!("{is_it} OR (attribute_exists(#{PK}) AND attribute_not_exists(#{VERSION}))")
}

fn write(tenant: &Tenant) -> Item {
    let Tenant { limits, .. } = tenant;
    Key::tenant(&tenant.id)
        .into_item()
        .put(ID, text(tenant.id.as_str()))
        .put(NAME, text(&tenant.name))
        .put_if(PLAN, tenant.plan.as_deref().map(text))
        .put(STATE, text(tenant.state.as_str()))
        .put_if(API_CALLS_PER_MONTH, limits.api_calls_per_month.map(number))
        .put_if(INTEGRATIONS, limits.integrations.map(number))
        .put_if(USERS, limits.users.map(number))
        .put(SETTINGS, text(json!(tenant.settings).to_string()))
        .put(CREATED_AT, instant(tenant.created_at))
        .put(VERSION, number(tenant.version))
}

fn read(item: &Item) -> Result<Tenant, StoreError> {
    let reader = Reader::new("tenant", item);
    let settings = reader.text_if(SETTINGS)?.map(serde_json::from_str).transpose();
    Ok(Tenant {
        id: reader.parsed(ID)?,
        name: reader.text(NAME)?.to_owned(),
        plan: reader.owned_if(PLAN)?,
        state: reader.parsed_if(STATE)?.unwrap_or_default(),
        limits: TenantLimits {
            api_calls_per_month: reader.number_if(API_CALLS_PER_MONTH)?,
            integrations: reader.number_if(INTEGRATIONS)?,
            users: reader.number_if(USERS)?,
        },
        settings: settings.map_err(|error| reader.value(SETTINGS, error))?.unwrap_or_default(),
        created_at: reader.instant(CREATED_AT)?,
        version: reader.number_if(VERSION)?.unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_of_a_time_without_versions_can_be_changed_as_its_first_one() {
        let mut item = write(&Tenant::new("acme".parse().unwrap(), "Acme", jiff::Timestamp::UNIX_EPOCH));
        item.retain(|name, _| ![VERSION, STATE, SETTINGS].contains(&name.as_str()));

        let old = read(&item).unwrap();

        let unversioned = "(attribute_exists(#pk) AND attribute_not_exists(#version))";
        assert_eq!(replaces(old.version), format!("#version = :before OR {unversioned}"));
        assert_eq!(replaces(old.version + 1), "#version = :before");
    }
}
