//! Tenants in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use domain::{
    id::TenantId,
    store::StoreError,
    tenant::{Tenant, TenantStore},
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Put as _, Reader, instant, names, text},
    keys::{Key, PK},
};

const ID: &str = "id";
const NAME: &str = "name";
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
                created_at: reader.instant(CREATED_AT)?,
            })
        };
        output.item().map(read).transpose()
    }
}
