//! One-time values in `DynamoDB`, by their hash.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    authorization::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome},
    id::TenantId,
    provider::Provider,
    refresh::policy::later,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    failure::{Conditional, conditional, unavailable},
    item::{Item, Put as _, Reader, instant, names, number, text},
    keys::{Key, PK, PROVIDER, TTL},
};

const WHAT: &str = "connect session";
/// Seconds in the span within which links are counted.
const MINUTE: i64 = 60;

const CODE_HASH: &str = "code_hash";
const TENANT: &str = "tenant";
const SCOPES: &str = "scopes";
const RECONNECTS: &str = "reconnects";
const CONFIRM: &str = "confirm";
const RETURN_URL: &str = "return_url";
const SYNC: &str = "sync";
const EXPIRES_AT: &str = "expires_at";
const CONSUMED_AT: &str = "consumed_at";
const STATE_HASH: &str = "state_hash";
const BROWSER_HASH: &str = "browser_hash";
const SESSION: &str = "session";
const PKCE: &str = "pkce";
const COUNT: &str = "count";

/// How long a one-time value is kept after its end, so that using it late or twice is told from never having had it.
const KEPT: Duration = Duration::from_hours(1);

/// How long the count of a minute is kept: only that minute asks for it, so any time will do that outlasts a clock that
/// is wrong.
const COUNT_KEPT: Duration = Duration::from_hours(1);

/// The table of one-time values.
#[derive(Clone, Debug)]
pub struct DynamoAuthorizations {
    client: Client,
    table: String,
}

impl DynamoAuthorizations {
    /// Uses `table`.
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    async fn insert(&self, operation: &'static str, item: Item) -> Result<(), StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        request.send().await.map_err(unavailable(operation))?;
        Ok(())
    }

    /// Uses up an item with one conditional write; a link may be for no provider in particular. When its answer is lost, the SDK's second try finds the value used:
    /// the person begins again, which is safe.
    async fn consume(
        &self,
        operation: &'static str,
        key: Key,
        (provider, browser_hash): (Provider, Option<&str>),
        now: Timestamp,
    ) -> Result<ConsumeOutcome<Item>, StoreError> {
        let update = format!("SET #{CONSUMED_AT} = :now");
        let of_browser = browser_hash.map(|_| format!(" AND #{BROWSER_HASH} = :browser"));
        let condition = format!(
            "attribute_exists(#{PK}) AND attribute_not_exists(#{CONSUMED_AT}) \
             AND (attribute_not_exists(#{PROVIDER}) OR #{PROVIDER} = :provider) AND #{EXPIRES_AT} > :now{}",
            of_browser.unwrap_or_default()
        );
        let browser = browser_hash.map(|hash| (":browser".to_owned(), text(hash)));
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .set_expression_attribute_names(Some(names([&update, &condition])))
            .set_expression_attribute_values(Some(browser.into_iter().collect()))
            .expression_attribute_values(":now", instant(now))
            .expression_attribute_values(":provider", text(provider.as_str()))
            .update_expression(update)
            .condition_expression(condition)
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match conditional(operation, request.send().await)? {
            Conditional::Written(output) => ConsumeOutcome::Consumed(output.attributes.unwrap_or_default()),
            Conditional::Refused(item) => {
                // Whoever presents a value of another provider or browser learns nothing about it.
                let stored = |name| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
                let bound = stored(PROVIDER).is_none_or(|stored| stored == provider.as_str())
                    && browser_hash.is_none_or(|hash| stored(BROWSER_HASH) == Some(hash));
                let used = bound && item.contains_key(CONSUMED_AT);
                if used { ConsumeOutcome::Used } else { ConsumeOutcome::Refused }
            }
        })
    }
}

#[async_trait]
impl AuthorizationStore for DynamoAuthorizations {
    async fn insert_session(&self, session: &ConnectSession) -> Result<(), StoreError> {
        let key = Key::session(&session.code_hash).into_item();
        let item = write_session(key, session).put(TTL, ttl(session.expires_at));
        self.insert("insert_session", item).await
    }

    async fn count_session(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreError> {
        let minute = now.as_second().div_euclid(MINUTE);
        let update = format!("SET #{TTL} = :ttl ADD #{COUNT} :one");
        // After a lost answer a link counts twice, which errs on the side of fewer links.
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::sessions_in(tenant, minute).into_item()))
            .set_expression_attribute_names(Some(names([&update])))
            .update_expression(update)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":ttl", number(later(now, COUNT_KEPT).as_second()))
            .return_values(ReturnValue::UpdatedNew);
        let output = request.send().await.map_err(unavailable("count_session"))?;
        Reader::new("count of connect links", &output.attributes.unwrap_or_default()).number(COUNT)
    }

    async fn find_session(
        &self,
        code_hash: &str,
        now: Timestamp,
    ) -> Result<Option<ConnectSession>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let request = request.set_key(Some(Key::session(code_hash).into_item()));
        let output = request.send().await.map_err(unavailable("find_session"))?;
        let unused = output.item().filter(|item| !item.contains_key(CONSUMED_AT));
        let session = unused.map(|item| read_session(&Reader::new(WHAT, item))).transpose()?;
        Ok(session.filter(|session| session.expires_at > now))
    }

    async fn consume_session(
        &self,
        code_hash: &str,
        provider: Provider,
        now: Timestamp,
    ) -> Result<ConsumeOutcome<ConnectSession>, StoreError> {
        let key = Key::session(code_hash);
        let item = self.consume("consume_session", key, (provider, None), now).await?;
        read_consumed(item, |item| read_session(&Reader::new(WHAT, item)))
    }

    async fn insert_request(&self, request: &AuthorizationRequest) -> Result<(), StoreError> {
        let session = write_session(Item::new(), &request.session);
        let item = Key::state(&request.state_hash)
            .into_item()
            .put(STATE_HASH, text(&request.state_hash))
            .put(BROWSER_HASH, text(&request.browser_hash))
            .put(PROVIDER, text(request.provider.as_str()))
            .put(SCOPES, text(request.scopes.join(" ")))
            .put(PKCE, AttributeValue::Bool(request.pkce))
            .put(SESSION, AttributeValue::M(session))
            .put(EXPIRES_AT, instant(request.expires_at))
            .put(TTL, ttl(request.expires_at));
        self.insert("insert_request", item).await
    }

    async fn consume_request(
        &self,
        state_hash: &str,
        (provider, browser_hash): (Provider, &str),
        now: Timestamp,
    ) -> Result<ConsumeOutcome<AuthorizationRequest>, StoreError> {
        let key = Key::state(state_hash);
        let item = self.consume("consume_request", key, (provider, Some(browser_hash)), now).await?;
        read_consumed(item, read_request)
    }
}

fn ttl(expires_at: Timestamp) -> AttributeValue {
    number(later(expires_at, KEPT).as_second())
}

fn read_consumed<T>(
    item: ConsumeOutcome<Item>,
    read: impl FnOnce(&Item) -> Result<T, StoreError>,
) -> Result<ConsumeOutcome<T>, StoreError> {
    Ok(match item {
        ConsumeOutcome::Consumed(item) => ConsumeOutcome::Consumed(read(&item)?),
        ConsumeOutcome::Used => ConsumeOutcome::Used,
        ConsumeOutcome::Refused => ConsumeOutcome::Refused,
    })
}

fn write_session(item: Item, session: &ConnectSession) -> Item {
    item.put(CODE_HASH, text(&session.code_hash))
        .put(TENANT, text(session.tenant.as_str()))
        .put_if(PROVIDER, session.provider.map(|provider| text(provider.as_str())))
        .put(SCOPES, text(session.scopes.join(" ")))
        .put_if(RECONNECTS, session.reconnects.as_ref().map(|connection| text(connection.as_str())))
        .put(CONFIRM, AttributeValue::Bool(session.confirm))
        .put_if(RETURN_URL, session.return_url.as_ref().map(text))
        .put(SYNC, AttributeValue::Bool(session.sync))
        .put(EXPIRES_AT, instant(session.expires_at))
}

fn read_session(reader: &Reader<'_>) -> Result<ConnectSession, StoreError> {
    Ok(ConnectSession {
        code_hash: reader.text(CODE_HASH)?.to_owned(),
        tenant: reader.parsed(TENANT)?,
        provider: reader.parsed_if(PROVIDER)?,
        scopes: reader.words(SCOPES)?,
        reconnects: reader.parsed_if(RECONNECTS)?,
        confirm: reader.flag(CONFIRM)?,
        return_url: reader.owned_if(RETURN_URL)?,
        sync: reader.flag(SYNC)?,
        expires_at: reader.instant(EXPIRES_AT)?,
    })
}

fn read_request(item: &Item) -> Result<AuthorizationRequest, StoreError> {
    let reader = Reader::new("authorization request", item);
    Ok(AuthorizationRequest {
        state_hash: reader.text(STATE_HASH)?.to_owned(),
        browser_hash: reader.text(BROWSER_HASH)?.to_owned(),
        session: read_session(&reader.map(SESSION)?)?,
        provider: reader.parsed(PROVIDER)?,
        scopes: reader.words(SCOPES)?,
        pkce: reader.flag(PKCE)?,
        expires_at: reader.instant(EXPIRES_AT)?,
    })
}
