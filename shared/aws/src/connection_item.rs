//! A connection as an item, and back.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    connection::{AttemptCounters, Company, Connection, Lease, PreviousRefresh, SealedTokens},
    id::ConnectionId,
    store::StoreError,
};

use crate::{
    item::{Item, Put as _, Reader, bytes, instant, number, text},
    keys::{self, Key},
};

/// The version of the connection item written here; a greater one is refused, since what it means is not known.
const SCHEMA_VERSION: u32 = 1;
const WHAT: &str = "connection";

/// The shard of the due index that a connection stays in for life (FNV-1a, the same in every build and on every machine).
pub(crate) fn shard_of(connection: &ConnectionId, shards: u32) -> u32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    connection.as_str().bytes().fold(0x811c_9dc5, mix) % shards.max(1)
}

/// The whole item of a connection.
pub(crate) fn write(connection: &Connection, shards: u32) -> Item {
    let Connection { key, attempts, lease, .. } = connection;
    let shard = keys::due_shard(shard_of(&key.connection, shards));
    Key::connection(key)
        .into_item()
        .put(keys::SCHEMA, number(SCHEMA_VERSION))
        .put(keys::LISTING, text(keys::LISTED))
        .put_if(keys::DUE_SHARD, connection.due_at.map(|_| text(shard)))
        .put_if(keys::DUE_AT, connection.due_at.map(instant))
        .put(keys::PROVIDER, text(connection.provider.as_str()))
        .put(keys::STATE, text(connection.state.as_str()))
        .put_if(keys::REASON, connection.reason.as_ref().map(text))
        .put(keys::SCOPES, text(connection.scopes.join(" ")))
        .put_if(keys::LOCATION, connection.location.as_ref().map(|location| text(location.as_str())))
        .put(keys::MADE_AT, instant(connection.created_at))
        .put(keys::FENCE, number(connection.fence))
        .put(keys::WRITE_ID, text(&connection.write_id))
        .put(keys::SUCCEEDED, number(attempts.succeeded))
        .put(keys::FAILED, number(attempts.failed))
        .put(keys::DURATION_MS, number(attempts.duration_ms))
        .put(keys::FAILED_IN_A_ROW, number(attempts.failed_in_a_row))
        .put_if(keys::TOKENS, connection.tokens.as_ref().map(write_tokens))
        .put_if(keys::LEASE, lease.as_ref().map(write_lease))
        .put_if(keys::LEASE_SPENDS, lease.as_ref().map(|lease| text(&lease.spends)))
}

/// A token set as one attribute.
pub(crate) fn write_tokens(tokens: &SealedTokens) -> AttributeValue {
    let previous = tokens.previous.as_ref();
    let map = Item::new()
        .put(keys::GENERATION, number(tokens.generation))
        .put(keys::ACCESS, bytes(&tokens.access))
        .put(keys::REFRESH, bytes(&tokens.refresh))
        .put(keys::FINGERPRINT, text(&tokens.refresh_fingerprint))
        .put(keys::ISSUED_AT, instant(tokens.issued_at))
        .put(keys::REFRESHED, AttributeValue::Bool(tokens.refreshed))
        .put(keys::ACCESS_ENDS, instant(tokens.access_expires_at))
        .put_if(keys::REFRESH_ENDS, tokens.refresh_expires_at.map(instant))
        .put_if(keys::GRANT_ENDS, tokens.hard_expires_at.map(instant))
        .put(keys::KEYS_MADE_AT, instant(tokens.keys_made_at))
        .put_if(keys::PREVIOUS, previous.map(|previous| bytes(&previous.refresh)))
        .put_if(keys::PREVIOUS_GENERATION, previous.map(|previous| number(previous.generation)))
        .put_if(keys::PREVIOUS_USABLE, previous.map(|previous| instant(previous.usable_until)));
    AttributeValue::M(map)
}

/// A lease as one attribute, without the fingerprint, which the table copies by itself.
pub(crate) fn write_lease(lease: &Lease) -> AttributeValue {
    let map = Item::new()
        .put(keys::OWNER, text(&lease.owner))
        .put(keys::LEASE_ENDS, instant(lease.expires_at))
        .put(keys::ATTEMPT, text(lease.attempt.as_str()))
        .put(keys::STARTED_AT, instant(lease.started_at));
    AttributeValue::M(map)
}

/// A connection with its lease as it is.
pub(crate) fn read(item: &Item) -> Result<Connection, StoreError> {
    read_with_lease(item, (keys::LEASE, keys::LEASE_SPENDS))
}

/// A connection as it was before its present lease was taken: with the lease of the worker before, and a fence less.
/// Only when it was due before cannot be told any more.
pub(crate) fn read_before_lease(item: &Item) -> Result<Connection, StoreError> {
    let mut connection = read_with_lease(item, (keys::FORMER_LEASE, keys::FORMER_SPENDS))?;
    connection.fence = connection.fence.saturating_sub(1);
    Ok(connection)
}

fn read_with_lease(item: &Item, lease: (&'static str, &'static str)) -> Result<Connection, StoreError> {
    let reader = Reader::new(WHAT, item);
    let version = reader.number::<u32>(keys::SCHEMA)?;
    if version > SCHEMA_VERSION {
        return Err(reader.value(keys::SCHEMA, format!("version {version} is newer than {SCHEMA_VERSION}")));
    }
    Ok(Connection {
        key: keys::connection_key(&reader)?,
        provider: reader.parsed(keys::PROVIDER)?,
        state: reader.word(keys::STATE)?,
        reason: reader.owned_if(keys::REASON)?,
        scopes: reader.words(keys::SCOPES)?,
        location: reader.parsed_if(keys::LOCATION)?,
        created_at: reader.instant(keys::MADE_AT)?,
        tokens: reader.map_if(keys::TOKENS)?.map(|tokens| read_tokens(&tokens)).transpose()?,
        fence: reader.number(keys::FENCE)?,
        lease: read_lease(&reader, lease)?,
        due_at: reader.instant_if(keys::DUE_AT)?,
        attempts: AttemptCounters {
            succeeded: reader.number(keys::SUCCEEDED)?,
            failed: reader.number(keys::FAILED)?,
            duration_ms: reader.number(keys::DURATION_MS)?,
            failed_in_a_row: reader.number(keys::FAILED_IN_A_ROW)?,
        },
        write_id: reader.text(keys::WRITE_ID)?.to_owned(),
    })
}

fn read_tokens(reader: &Reader<'_>) -> Result<SealedTokens, StoreError> {
    let previous = match reader.instant_if(keys::PREVIOUS_USABLE)? {
        Some(usable_until) => Some(PreviousRefresh {
            refresh: reader.bytes(keys::PREVIOUS)?.to_vec(),
            generation: reader.number(keys::PREVIOUS_GENERATION)?,
            usable_until,
        }),
        None => None,
    };
    Ok(SealedTokens {
        generation: reader.number(keys::GENERATION)?,
        access: reader.bytes(keys::ACCESS)?.to_vec(),
        refresh: reader.bytes(keys::REFRESH)?.to_vec(),
        refresh_fingerprint: reader.text(keys::FINGERPRINT)?.to_owned(),
        issued_at: reader.instant(keys::ISSUED_AT)?,
        refreshed: reader.flag(keys::REFRESHED)?,
        access_expires_at: reader.instant(keys::ACCESS_ENDS)?,
        refresh_expires_at: reader.instant_if(keys::REFRESH_ENDS)?,
        hard_expires_at: reader.instant_if(keys::GRANT_ENDS)?,
        keys_made_at: reader.instant(keys::KEYS_MADE_AT)?,
        previous,
    })
}

fn read_lease(
    connection: &Reader<'_>,
    (lease, spends): (&'static str, &'static str),
) -> Result<Option<Lease>, StoreError> {
    let Some(reader) = connection.map_if(lease)? else { return Ok(None) };
    Ok(Some(Lease {
        owner: reader.text(keys::OWNER)?.to_owned(),
        expires_at: reader.instant(keys::LEASE_ENDS)?,
        attempt: reader.parsed(keys::ATTEMPT)?,
        spends: connection.text(spends)?.to_owned(),
        started_at: reader.instant(keys::STARTED_AT)?,
    }))
}

/// The item of a company.
pub(crate) fn write_company(connection: &Connection, company: &Company) -> Item {
    Key::company(&connection.key, &company.id)
        .into_item()
        .put(keys::FENCE, number(connection.fence))
        .put(COMPANY_PROVIDER_ID, text(company.provider_id.as_str()))
        .put(COMPANY_NAME, text(&company.name))
}

/// A company; its id is the end of its key.
pub(crate) fn read_company(item: &Item, prefix: &str) -> Result<Company, StoreError> {
    let reader = Reader::new("company", item);
    Ok(Company {
        id: reader.parsed_after(keys::SK, prefix)?,
        provider_id: reader.parsed(COMPANY_PROVIDER_ID)?,
        name: reader.text(COMPANY_NAME)?.to_owned(),
    })
}

const COMPANY_PROVIDER_ID: &str = "provider_id";
const COMPANY_NAME: &str = "name";

#[cfg(test)]
mod tests;
