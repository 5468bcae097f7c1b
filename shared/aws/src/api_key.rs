//! API keys in `DynamoDB`.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    api_key::{ApiKey, ApiKeyStore, Scope},
    id::ApiKeyId,
    store::StoreError,
};

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, bytes, instant, names, text},
    keys::{Key, PK},
};

const ID: &str = "id";
const NAME: &str = "name";
const HASH: &str = "hash";
const SCOPES: &str = "scopes";
const TENANT: &str = "tenant";
const USER: &str = "user";
const CREATED_AT: &str = "created_at";
const EXPIRES_AT: &str = "expires_at";
const REVOKED_AT: &str = "revoked_at";
const LAST_USED_AT: &str = "last_used_at";

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
}

#[async_trait]
impl ApiKeyStore for DynamoApiKeys {
    async fn insert(&self, key: &ApiKey) -> Result<bool, StoreError> {
        let condition = format!("attribute_not_exists(#{PK})");
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(key)))
            .set_expression_attribute_names(Some(names([&condition])))
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match conditional("insert", request.send().await)? {
            Conditional::Written(_) => true,
            // The hash of 256 random bits is ours alone: then the write arrived and its answer was lost.
            Conditional::Refused(item) => Reader::new("API key", &item).bytes(HASH)? == key.hash,
        })
    }

    async fn find(&self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        // Consistent, so that a revoked key stops at once.
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::api_key(id).into_item()));
        let output = request.send().await.map_err(unavailable("find"))?;
        output.item().map(read).transpose()
    }
}

fn write(key: &ApiKey) -> Item {
    let scopes = key.scopes.iter().map(|scope| text(scope.as_str())).collect();
    Key::api_key(&key.id)
        .into_item()
        .put(ID, text(key.id.as_str()))
        .put(NAME, text(&key.name))
        .put(HASH, bytes(&key.hash))
        .put(SCOPES, AttributeValue::L(scopes))
        .put_if(TENANT, key.tenant.as_ref().map(|tenant| text(tenant.as_str())))
        .put_if(USER, key.user.as_ref().map(|user| text(user.as_str())))
        .put(CREATED_AT, instant(key.created_at))
        .put_if(EXPIRES_AT, key.expires_at.map(instant))
        .put_if(REVOKED_AT, key.revoked_at.map(instant))
        .put_if(LAST_USED_AT, key.last_used_at.map(instant))
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
    use jiff::Timestamp;

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
