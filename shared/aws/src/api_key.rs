//! API keys in `DynamoDB`: all in one partition, which is read once in half a minute for each key and instance; a pointer in
//! the partition of its tenant for each key that is bound to one.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{
        AttributeValue, Delete, Put as PutItem, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
        Update as UpdateItem,
    },
};
use domain::{
    api_key::{ApiKey, ApiKeyPage, ApiKeyStore, KeyChange, Scope},
    id::{ApiKeyId, TenantId},
    refresh::policy::later,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    batch_get::{MAX_KEYS, Reading, read_items},
    cursor,
    failure::{conditional, unavailable},
    item::{Item, Put as _, Reader, bytes, instant, names, number, text},
    keys::{Key, PK, SK, TTL, api_keys_partition},
    transaction::{Transacted, transact},
    update::Update,
};

const ID: &str = "id";
const NAME: &str = "name";
const HASH: &str = "hash";
const SCOPES: &str = "scopes";
const TENANT: &str = "tenant";
const USER: &str = "user";
const CREATED_AT: &str = "created_at";
const EXPIRES_AT: &str = "expires_at";
const RETIRES_AT: &str = "retires_at";
const REVOKED_AT: &str = "revoked_at";
const LAST_USED_AT: &str = "last_used_at";
/// How long a key is kept after its end: whoever looks into a quarter's incidents still finds it in the list.
const KEPT: Duration = Duration::from_hours(90 * 24);

/// The table of API keys.
#[derive(Clone, Debug)]
pub struct DynamoApiKeys {
    client: Client,
    table: String,
}

impl DynamoApiKeys {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The key, and its pointer where it is bound.
    fn insertion(&self, key: &ApiKey) -> Result<Vec<TransactWriteItem>, BuildError> {
        let condition = format!("attribute_not_exists(#{PK})");
        let put = PutItem::builder()
            .table_name(&self.table)
            .set_item(Some(write(key)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut writes = vec![TransactWriteItem::builder().put(put.build()?).build()];
        if let Some(tenant) = &key.tenant {
            let pointer = Key::api_key_of(tenant, &key.id).into_item().put_if(TTL, forgotten_at(key));
            let put = PutItem::builder().table_name(&self.table).set_item(Some(pointer));
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        Ok(writes)
    }

    fn change(&self, key: &ApiKey, change: &KeyChange) -> Result<Vec<TransactWriteItem>, BuildError> {
        let mut condition = format!("attribute_exists(#{PK}) AND attribute_not_exists(#{REVOKED_AT})");
        let mut update = Update::default();
        match change {
            KeyChange::Scopes(scopes) => update.sets.push((SCOPES, scope_list(scopes))),
            KeyChange::Revoked(at) => update.sets.push((REVOKED_AT, instant(*at))),
            KeyChange::Retires(at) => {
                update.sets.push((RETIRES_AT, instant(*at)));
                let is_sooner = format!("#{RETIRES_AT} > :{RETIRES_AT}");
                condition = format!("{condition} AND (attribute_not_exists(#{RETIRES_AT}) OR {is_sooner})");
            }
        }
        let mut changed = key.clone();
        change.apply(&mut changed);
        let moves_end = !matches!(change, KeyChange::Scopes(_));
        let ttl = forgotten_at(&changed).filter(|_| moves_end);
        update.sets.extend(ttl.clone().map(|ttl| (TTL, ttl)));
        let (update, values) = update.into_expression();
        let change = UpdateItem::builder()
            .table_name(&self.table)
            .set_key(Some(Key::api_key(&key.id).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update)
            .condition_expression(condition);
        let mut writes = vec![TransactWriteItem::builder().update(change.build()?).build()];
        if let (Some(tenant), Some(ttl)) = (&key.tenant, ttl) {
            let pointer = Key::api_key_of(tenant, &key.id).into_item().put(TTL, ttl);
            let put = PutItem::builder().table_name(&self.table).set_item(Some(pointer));
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        Ok(writes)
    }

    fn removal(&self, key: &ApiKey) -> Result<Vec<TransactWriteItem>, BuildError> {
        let pointer = key.tenant.as_ref().map(|tenant| Key::api_key_of(tenant, &key.id));
        let items = [Some(Key::api_key(&key.id)), pointer].into_iter().flatten();
        let deletes = items.map(|item| {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(item.into_item()));
            Ok(TransactWriteItem::builder().delete(delete.build()?).build())
        });
        deletes.collect()
    }

    /// The keys that pointers name; one that is forgotten already is left out.
    async fn pointed_to(&self, pointers: &[Item]) -> Result<Vec<Item>, StoreError> {
        let key = |pointer: &Item| Ok(Key::api_key(&Reader::new("API key", pointer).parsed(SK)?).into_item());
        let keys = pointers.iter().map(key).collect::<Result<Vec<_>, StoreError>>()?;
        let reading = Reading { operation: "list", attributes: None, consistent: true };
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(MAX_KEYS) {
            found.extend(read_items(&self.client, &self.table, some.to_vec(), reading).await?);
        }
        Ok(found)
    }
}

#[async_trait]
impl ApiKeyStore for DynamoApiKeys {
    async fn insert(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let writes = self.insertion(key).map_err(unavailable("insert"))?;
        Ok(match transact(&self.client, "insert", writes).await? {
            Transacted::Written => true,
            // The hash of 256 random bits is ours alone: then the write arrived and its answer was lost.
            Transacted::Refused(_, item) => Reader::new("API key", &item).bytes(HASH)? == key.hash,
        })
    }

    async fn find(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        // Consistent, so that a revoked key stops at once.
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::api_key(id).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        output.item().map(read).transpose()
    }

    async fn list(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<ApiKeyPage, StoreError> {
        let place = |id: ApiKeyId| tenant.map_or_else(|| Key::api_key(&id), |of| Key::api_key_of(of, &id));
        let from = from.map(|from| cursor::decode(from).map(|id| place(id).into_item())).transpose()?;
        let condition = format!("#{PK} = :keys");
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from)
            .set_expression_attribute_names(Some(names([&condition])))
            .key_condition_expression(condition)
            .expression_attribute_values(":keys", text(api_keys_partition(tenant)));
        let output = request.send().await.map_err(unavailable("list"))?;
        let last = output.last_evaluated_key().map(|last| Reader::new("API key", last).text(SK));
        let next = last.transpose()?.map(cursor::encode);
        let items = output.items();
        let of_tenant = if tenant.is_some() { Some(self.pointed_to(items).await?) } else { None };
        let mut keys =
            of_tenant.as_deref().unwrap_or(items).iter().map(read).collect::<Result<Vec<_>, _>>()?;
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(ApiKeyPage { keys, next })
    }

    /// After a lost answer nothing is lost: a transaction is known again, and of a key that was revoked the first write
    /// stands.
    async fn update(&self, key: &ApiKey, change: &KeyChange) -> Result<(), StoreError> {
        let writes = self.change(key, change).map_err(unavailable("update"))?;
        transact(&self.client, "update", writes).await?;
        Ok(())
    }

    async fn mark_used(&self, id: &ApiKeyId, at: Timestamp) -> Result<(), StoreError> {
        let update = format!("SET #{LAST_USED_AT} = :at");
        let unless_later = format!("attribute_not_exists(#{LAST_USED_AT}) OR #{LAST_USED_AT} < :at");
        let condition = format!("attribute_exists(#{PK}) AND ({unless_later})");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::api_key(id).into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":at", instant(at));
        // Written twice after a lost answer it says the same.
        conditional("mark_used", request.send().await)?;
        Ok(())
    }

    async fn remove(&self, key: &ApiKey) -> Result<(), StoreError> {
        let writes = self.removal(key).map_err(unavailable("remove"))?;
        transact(&self.client, "remove", writes).await?;
        Ok(())
    }
}

/// When a key that has an end is forgotten, in seconds since 1970.
fn forgotten_at(key: &ApiKey) -> Option<AttributeValue> {
    key.ends_at().map(|ends_at| number(later(ends_at, KEPT).as_second()))
}

fn scope_list(scopes: &[Scope]) -> AttributeValue {
    AttributeValue::L(scopes.iter().map(|scope| text(scope.as_str())).collect())
}

fn write(key: &ApiKey) -> Item {
    Key::api_key(&key.id)
        .into_item()
        .put(ID, text(key.id.as_str()))
        .put(NAME, text(&key.name))
        .put(HASH, bytes(&key.hash))
        .put(SCOPES, scope_list(&key.scopes))
        .put_if(TENANT, key.tenant.as_ref().map(|tenant| text(tenant.as_str())))
        .put_if(USER, key.user.as_ref().map(|user| text(user.as_str())))
        .put(CREATED_AT, instant(key.created_at))
        .put_if(EXPIRES_AT, key.expires_at.map(instant))
        .put_if(RETIRES_AT, key.retires_at.map(instant))
        .put_if(REVOKED_AT, key.revoked_at.map(instant))
        .put_if(LAST_USED_AT, key.last_used_at.map(instant))
        .put_if(TTL, forgotten_at(key))
}

fn read(item: &Item) -> Result<ApiKey, StoreError> {
    let reader = Reader::new("API key", item);
    Ok(ApiKey {
        id: reader.parsed(ID)?,
        name: reader.text(NAME)?.to_owned(),
        hash: reader.bytes(HASH)?.try_into().map_err(|error| reader.value(HASH, error))?,
        scopes: known_scopes(&reader)?,
        tenant: reader.parsed_if(TENANT)?,
        user: reader.parsed_if(USER)?,
        created_at: reader.instant(CREATED_AT)?,
        expires_at: reader.instant_if(EXPIRES_AT)?,
        retires_at: reader.instant_if(RETIRES_AT)?,
        revoked_at: reader.instant_if(REVOKED_AT)?,
        last_used_at: reader.instant_if(LAST_USED_AT)?,
    })
}

/// The scopes that this version knows. One that a later version gave stays out: the key may do less until that version is
/// back, and not nothing at all.
fn known_scopes(reader: &Reader<'_>) -> Result<Vec<Scope>, StoreError> {
    let known = |scope: String| {
        let told = |_: &_| tracing::warn!(scope, "Unknown scope of an API key is left out");
        scope.parse().inspect_err(told).ok()
    };
    Ok(reader.list(SCOPES)?.into_iter().filter_map(known).collect())
}

#[cfg(test)]
mod tests {
    use domain::{
        api_key::{NewApiKey, Role},
        entropy::SystemEntropy,
    };

    use super::*;

    #[test]
    fn a_scope_that_a_later_version_gave_does_not_disable_the_key() {
        let scopes = Role::Viewer.scopes();
        let new = NewApiKey { name: "key".to_owned(), scopes, tenant: None, user: None, expires_at: None };
        let (key, _) = new.issue("test", Timestamp::UNIX_EPOCH, &SystemEntropy);
        let mut item = write(&key);
        let Some(AttributeValue::L(scopes)) = item.get_mut(SCOPES) else { panic!("scopes are a list") };
        scopes.insert(0, text("a:later:one"));

        assert_eq!(read(&item).unwrap(), key);
    }
}
