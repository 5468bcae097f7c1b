//! Users in `DynamoDB`: one item each in the partition of their tenant, and one that says how many there are.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{Delete, Put as PutItem, TransactWriteItem, Update as UpdateItem, builders::UpdateBuilder},
};
use domain::{
    id::{TenantId, UserId},
    store::StoreError,
    user::{PutUser, User, UserStore},
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, PK, SK, USER_PREFIX, users_partition},
    transaction::{Transacted, transact},
};

const ID: &str = "id";
const TENANT: &str = "tenant";
const ROLE: &str = "role";
const CREATED_AT: &str = "created_at";
const COUNT: &str = "count";
/// How often a user is met or missed who comes and goes in that very moment, before the call fails.
const TRIES: usize = 3;

/// The table of users.
#[derive(Clone, Debug)]
pub struct DynamoUsers {
    client: Client,
    table: String,
}

impl DynamoUsers {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Gives a user that is there another role; false when there is none.
    async fn change(&self, user: &User) -> Result<bool, StoreError> {
        let update = format!("SET #{ROLE} = :role");
        let condition = format!("attribute_exists(#{PK})");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::user(&user.tenant, &user.id).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":role", text(user.role.as_str()));
        Ok(matches!(conditional("put", request.send().await)?, Conditional::Written(_)))
    }

    fn addition(&self, user: &User, limit: u64) -> Result<Vec<TransactWriteItem>, BuildError> {
        let condition = format!("attribute_not_exists(#{PK})");
        let put = PutItem::builder()
            .table_name(&self.table)
            .set_item(Some(write(user)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition);
        let below = match limit {
            0 => format!("#{COUNT} < :limit"),
            _ => format!("attribute_not_exists(#{COUNT}) OR #{COUNT} < :limit"),
        };
        let count = self.count(&user.tenant, 1, below).expression_attribute_values(":limit", number(limit));
        Ok(vec![
            TransactWriteItem::builder().put(put.build()?).build(),
            TransactWriteItem::builder().update(count.build()?).build(),
        ])
    }

    fn removal(&self, tenant: &TenantId, id: &UserId) -> Result<Vec<TransactWriteItem>, BuildError> {
        let condition = format!("attribute_exists(#{PK})");
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(Key::user(tenant, id).into_item()))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition.clone());
        let count = self.count(tenant, -1, condition);
        Ok(vec![
            TransactWriteItem::builder().delete(delete.build()?).build(),
            TransactWriteItem::builder().update(count.build()?).build(),
        ])
    }

    /// Adds to the number of users where a condition is met.
    fn count(&self, tenant: &TenantId, by: i64, condition: String) -> UpdateBuilder {
        let update = format!("ADD #{COUNT} :by");
        UpdateItem::builder()
            .table_name(&self.table)
            .set_key(Some(Key::user_count(tenant).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":by", number(by))
    }

    async fn delete(&self, key: Key) -> Result<(), StoreError> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key.into_item()));
        request.send().await.map_err(unavailable("clear"))?;
        Ok(())
    }
}

#[async_trait]
impl UserStore for DynamoUsers {
    async fn put(&self, user: &User, limit: u64) -> Result<PutUser, StoreError> {
        for _ in 0..TRIES {
            if self.change(user).await? {
                return Ok(PutUser::Changed);
            }
            let writes = self.addition(user, limit).map_err(unavailable("put"))?;
            match transact(&self.client, "put", writes).await? {
                Transacted::Written => return Ok(PutUser::Added),
                // Somebody added it meanwhile.
                Transacted::Refused(0, _) => {}
                Transacted::Refused(..) => return Ok(PutUser::Full),
            }
        }
        Err(unavailable("put")("the user came and went"))
    }

    async fn find(&self, tenant: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::user(tenant, id).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        output.item().map(read).transpose()
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<User>, StoreError> {
        let condition = format!("#{PK} = :users AND begins_with(#{SK}, :prefix)");
        let mut items = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":users", text(users_partition(tenant)))
            .expression_attribute_values(":prefix", text(USER_PREFIX))
            .into_paginator()
            .items()
            .send();
        let mut users = Vec::new();
        while let Some(item) = items.next().await {
            users.push(read(&item.map_err(unavailable("list"))?)?);
        }
        Ok(users)
    }

    async fn remove(&self, tenant: &TenantId, id: &UserId) -> Result<bool, StoreError> {
        let writes = self.removal(tenant, id).map_err(unavailable("remove"))?;
        Ok(matches!(transact(&self.client, "remove", writes).await?, Transacted::Written))
    }

    async fn clear(&self, tenant: &TenantId) -> Result<(), StoreError> {
        for user in self.list(tenant).await? {
            self.delete(Key::user(tenant, &user.id)).await?;
        }
        self.delete(Key::user_count(tenant)).await
    }
}

fn write(user: &User) -> Item {
    Key::user(&user.tenant, &user.id)
        .into_item()
        .put(ID, text(user.id.as_str()))
        .put(TENANT, text(user.tenant.as_str()))
        .put(ROLE, text(user.role.as_str()))
        .put(CREATED_AT, instant(user.created_at))
}

fn read(item: &Item) -> Result<User, StoreError> {
    let reader = Reader::new("user", item);
    Ok(User {
        id: reader.parsed(ID)?,
        tenant: reader.parsed(TENANT)?,
        role: reader.parsed(ROLE)?,
        created_at: reader.instant(CREATED_AT)?,
    })
}
