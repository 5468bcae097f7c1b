//! Tenants in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    id::TenantId,
    store::StoreError,
    tenant::{Tenant, TenantLimits, TenantStore},
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Put as _, Reader, instant, names, number, text},
    keys::{Key, PK},
};

const ID: &str = "id";
const NAME: &str = "name";
const PLAN: &str = "plan";
const API_CALLS_PER_MONTH: &str = "api_calls_per_month";
const INTEGRATIONS: &str = "integrations";
const USERS: &str = "users";
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
        let item = Key::tenant(&tenant.id)
            .into_item()
            .put(ID, text(tenant.id.as_str()))
            .put(NAME, text(&tenant.name))
            .put_if(PLAN, tenant.plan.as_deref().map(text))
            .put_if(API_CALLS_PER_MONTH, tenant.limits.api_calls_per_month.map(number))
            .put_if(INTEGRATIONS, tenant.limits.integrations.map(number))
            .put_if(USERS, tenant.limits.users.map(number))
            .put(CREATED_AT, instant(tenant.created_at));
        let condition = format!("attribute_not_exists(#{PK})");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
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
        let read = |item| {
            let reader = Reader::new("tenant", item);
            Ok(Tenant {
                id: reader.parsed(ID)?,
                name: reader.text(NAME)?.to_owned(),
                plan: reader.owned_if(PLAN)?,
                limits: TenantLimits {
                    api_calls_per_month: reader.number_if(API_CALLS_PER_MONTH)?,
                    integrations: reader.number_if(INTEGRATIONS)?,
                    users: reader.number_if(USERS)?,
                },
                created_at: reader.instant(CREATED_AT)?,
            })
        };
        output.item().map(read).transpose()
    }
}
