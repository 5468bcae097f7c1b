//! A connection as an item, and back.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    connection::{
        AttemptCounters, ChainHead, Company, Connection, LastAttempt, Lease, Notices, PreviousRefresh,
        SealedTokens,
    },
    refresh::AttemptFailure,
    store::StoreError,
};
use jiff::Timestamp;

use crate::{
    due_index,
    item::{Item, Put as _, Reader, bytes, hexed, instant, number, text},
    keys::{self, ATTEMPT_PREFIX, Key, WRITE_PREFIX},
    packed::{NotWhole, Packer, Unpacker},
};

/// The version of the connection item written here; a greater one is refused, since what it means is not known.
const SCHEMA_VERSION: u32 = 1;
const WHAT: &str = "connection";

/// The bits of the number that packed times begin with: what of a token set there is.
const REFRESHED: u64 = 1;
const REFRESH_ENDS: u64 = 2;
const GRANT_ENDS: u64 = 4;

/// The whole item of a connection.
pub(crate) fn write(connection: &Connection, shards: u32) -> Item {
    let Connection { key, attempts, lease, .. } = connection;
    let owner = (connection.provider, &key.connection);
    let due = connection.due.map(|due| due_index::entry(owner, due, shards));
    let due = due.into_iter().flatten().map(|(name, value)| (name.to_owned(), value));
    let mut item = Key::connection(key)
        .into_item()
        .put(keys::SCHEMA, number(SCHEMA_VERSION))
        .put(keys::LISTING, text(keys::LISTED))
        .put(keys::OF_PROVIDER, text(connection.provider.as_str()))
        .put(keys::STATE, text(connection.state.as_str()))
        .put_if(keys::REASON, connection.reason.as_ref().map(text))
        .put(keys::SCOPES, text(connection.scopes.join(" ")))
        .put_if(keys::LOCATION, connection.location.as_ref().map(|location| text(location.as_str())))
        .put(keys::MADE_AT, instant(connection.created_at))
        .put(keys::USED_AT, instant(connection.used_at))
        .put_if(keys::WARMTH, connection.warmth.map(|warmth| text(warmth.as_str())))
        .put(keys::FENCE, number(connection.fence))
        .put(keys::WRITE_ID, write_mark(&connection.write_id))
        .put(keys::SUCCEEDED, number(attempts.succeeded))
        .put(keys::FAILED, number(attempts.failed))
        .put(keys::DURATION_MS, number(attempts.duration_ms))
        .put(keys::FAILED_IN_A_ROW, number(attempts.failed_in_a_row))
        .put_if(keys::LAST, connection.last.as_ref().map(write_last))
        .put_if(keys::CHAIN, write_chain(connection.chain))
        .put_if(keys::CALLS, write_calls(&connection.calls))
        .put_if(keys::NOTICES, write_notices(connection.notices))
        .put_if(keys::TOKENS, connection.tokens.as_ref().map(write_tokens))
        .put_if(keys::LEASE, lease.as_ref().map(write_lease))
        .put_if(keys::LEASE_SPENDS, lease.as_ref().map(|lease| write_fingerprint(&lease.spends)));
    item.extend(due);
    item
}

/// The mark of a write.
pub(crate) fn write_mark(write_id: &str) -> AttributeValue {
    hexed(WRITE_PREFIX, write_id)
}

/// The fingerprint of a refresh token.
pub(crate) fn write_fingerprint(fingerprint: &str) -> AttributeValue {
    hexed("", fingerprint)
}

/// A token set as one attribute.
pub(crate) fn write_tokens(tokens: &SealedTokens) -> AttributeValue {
    let previous = tokens.previous.as_ref();
    let map = Item::new()
        .put(keys::GENERATION, number(tokens.generation))
        .put(keys::FINGERPRINT, write_fingerprint(&tokens.refresh_fingerprint))
        .put(keys::ACCESS, bytes(&tokens.access))
        // All three begin alike: with their header, with what KMS begins all keys with that one key wrapped, and both
        // refresh envelopes mostly with the same wrapped key.
        .put(keys::REFRESH, Packer::default().alike(&tokens.access, &tokens.refresh).into_value())
        .put(keys::TIMES, write_times(tokens))
        .put_if(keys::PREVIOUS, previous.map(|previous| write_previous(previous, &tokens.refresh)));
    AttributeValue::M(map)
}

fn write_times(tokens: &SealedTokens) -> AttributeValue {
    let bit = |bit, is_set| if is_set { bit } else { 0 };
    let there = bit(REFRESHED, tokens.refreshed)
        | bit(REFRESH_ENDS, tokens.refresh_expires_at.is_some())
        | bit(GRANT_ENDS, tokens.hard_expires_at.is_some());
    let issued = tokens.issued_at;
    let packer = Packer::default().number(there).time(Timestamp::UNIX_EPOCH, issued);
    let times = [Some(tokens.access_expires_at), Some(tokens.keys_made_at)].into_iter();
    let times = times.chain([tokens.refresh_expires_at, tokens.hard_expires_at]).flatten();
    times.fold(packer, |packer, at| packer.time(issued, at)).into_value()
}

fn write_previous(previous: &PreviousRefresh, refresh: &[u8]) -> AttributeValue {
    let packer = Packer::default().number(previous.generation);
    packer.time(Timestamp::UNIX_EPOCH, previous.usable_until).alike(refresh, &previous.refresh).into_value()
}

/// A lease as one attribute, without the fingerprint, which the table copies by itself.
pub(crate) fn write_lease(lease: &Lease) -> AttributeValue {
    let map = Item::new()
        .put(keys::OWNER, hexed(WRITE_PREFIX, &lease.owner))
        .put(keys::LEASE_ENDS, instant(lease.expires_at))
        .put(keys::ATTEMPT, hexed(ATTEMPT_PREFIX, lease.attempt.as_str()))
        .put(keys::STARTED_AT, instant(lease.started_at));
    AttributeValue::M(map)
}

/// The newest attempt as one attribute.
pub(crate) fn write_last(last: &LastAttempt) -> AttributeValue {
    let failure = last.failure.as_ref();
    let map = Item::new()
        .put(keys::ATTEMPT, hexed(ATTEMPT_PREFIX, last.id.as_str()))
        .put(keys::LAST_ENDED, instant(last.ended_at))
        .put_if(keys::LAST_CLASS, failure.map(|failure| text(failure.class.as_str())))
        .put_if(keys::LAST_CODE, failure.and_then(|failure| failure.code.as_ref()).map(text))
        .put_if(keys::LAST_TRACE, failure.and_then(|failure| failure.trace_id.as_ref()).map(text));
    AttributeValue::M(map)
}

/// The head of a history as one attribute; none before the first entry.
pub(crate) fn write_chain(chain: ChainHead) -> Option<AttributeValue> {
    let packer = Packer::default().number(chain.sequence).rest(&chain.hash);
    (chain != ChainHead::default()).then(|| packer.into_value())
}

/// The calls that count as one attribute; none where there are none.
pub(crate) fn write_calls(calls: &[Timestamp]) -> Option<AttributeValue> {
    let step = |(packer, before): (Packer, Timestamp), at: &Timestamp| (packer.time(before, *at), *at);
    let (packer, _) = calls.iter().fold((Packer::default(), Timestamp::UNIX_EPOCH), step);
    (!calls.is_empty()).then(|| packer.into_value())
}

/// What the tenant was told as one attribute; none where that is nothing.
pub(crate) fn write_notices(notices: Notices) -> Option<AttributeValue> {
    let map = Item::new()
        .put_if(keys::TOLD_REFRESH, notices.refresh.map(instant))
        .put_if(keys::TOLD_GRANT, notices.grant.map(instant))
        .put_if(keys::TOLD_EXPIRED, notices.expired.map(instant));
    (!map.is_empty()).then_some(AttributeValue::M(map))
}

/// A connection with its lease as it is.
pub(crate) fn read(item: &Item) -> Result<Connection, StoreError> {
    read_with_lease(item, (keys::LEASE, keys::LEASE_SPENDS))
}

/// A connection as it was before its present lease was taken: with the lease of the worker before, and a fence less.
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
    let created_at = reader.instant(keys::MADE_AT)?;
    Ok(Connection {
        key: keys::connection_key(&reader)?,
        provider: reader.parsed(keys::OF_PROVIDER)?,
        state: reader.word(keys::STATE)?,
        reason: reader.owned_if(keys::REASON)?,
        scopes: reader.words(keys::SCOPES)?,
        location: reader.parsed_if(keys::LOCATION)?,
        created_at,
        tokens: reader.map_if(keys::TOKENS)?.map(|tokens| read_tokens(&tokens)).transpose()?,
        fence: reader.number(keys::FENCE)?,
        lease: read_lease(&reader, lease)?,
        due: due_index::read(&reader)?,
        used_at: reader.instant_if(keys::USED_AT)?.unwrap_or(created_at),
        warmth: reader.word_if(keys::WARMTH)?,
        attempts: AttemptCounters {
            succeeded: reader.number(keys::SUCCEEDED)?,
            failed: reader.number(keys::FAILED)?,
            duration_ms: reader.number(keys::DURATION_MS)?,
            failed_in_a_row: reader.number(keys::FAILED_IN_A_ROW)?,
        },
        last: reader.map_if(keys::LAST)?.map(|last| read_last(&last)).transpose()?,
        chain: unpacked_if(&reader, keys::CHAIN, read_chain)?.unwrap_or_default(),
        calls: unpacked_if(&reader, keys::CALLS, read_calls)?.unwrap_or_default(),
        notices: reader
            .map_if(keys::NOTICES)?
            .map(|told| read_notices(&told))
            .transpose()?
            .unwrap_or_default(),
        write_id: reader.hexed(keys::WRITE_ID, WRITE_PREFIX)?,
    })
}

/// Reads a packed attribute.
fn unpacked<T>(
    reader: &Reader<'_>,
    name: &'static str,
    read: impl FnOnce(Unpacker<'_>) -> Result<T, NotWhole>,
) -> Result<T, StoreError> {
    read(Unpacker::new(reader.bytes(name)?)).map_err(|error| reader.value(name, error))
}

/// As [`unpacked`], where the attribute is there.
fn unpacked_if<T>(
    reader: &Reader<'_>,
    name: &'static str,
    read: impl FnOnce(Unpacker<'_>) -> Result<T, NotWhole>,
) -> Result<Option<T>, StoreError> {
    reader.bytes_if(name)?.map(|_| unpacked(reader, name, read)).transpose()
}

fn read_tokens(reader: &Reader<'_>) -> Result<SealedTokens, StoreError> {
    let access = reader.bytes(keys::ACCESS)?.to_vec();
    let refresh = unpacked(reader, keys::REFRESH, |unpacker| unpacker.alike(&access))?;
    let previous = unpacked_if(reader, keys::PREVIOUS, |unpacker| read_previous(unpacker, &refresh))?;
    let tokens = SealedTokens {
        generation: reader.number(keys::GENERATION)?,
        access,
        refresh,
        refresh_fingerprint: reader.hexed(keys::FINGERPRINT, "")?,
        issued_at: Timestamp::UNIX_EPOCH,
        refreshed: false,
        access_expires_at: Timestamp::UNIX_EPOCH,
        refresh_expires_at: None,
        hard_expires_at: None,
        keys_made_at: Timestamp::UNIX_EPOCH,
        previous,
    };
    unpacked(reader, keys::TIMES, |times| read_times(times, tokens))
}

/// When the access token of a set was issued and when it ends, where nothing but its times was read.
pub(crate) fn read_life(tokens: &Reader<'_>) -> Result<(Timestamp, Timestamp), StoreError> {
    unpacked(tokens, keys::TIMES, |mut times| {
        let _there = times.number()?;
        let issued_at = times.time(Timestamp::UNIX_EPOCH)?;
        Ok((issued_at, times.time(issued_at)?))
    })
}

/// A token set with the times that were packed.
fn read_times(mut times: Unpacker<'_>, tokens: SealedTokens) -> Result<SealedTokens, NotWhole> {
    let there = times.number()?;
    let issued_at = times.time(Timestamp::UNIX_EPOCH)?;
    let access_expires_at = times.time(issued_at)?;
    let keys_made_at = times.time(issued_at)?;
    let mut if_there = |bit| (there & bit != 0).then(|| times.time(issued_at)).transpose();
    Ok(SealedTokens {
        issued_at,
        refreshed: there & REFRESHED != 0,
        access_expires_at,
        refresh_expires_at: if_there(REFRESH_ENDS)?,
        hard_expires_at: if_there(GRANT_ENDS)?,
        keys_made_at,
        ..tokens
    })
}

fn read_previous(mut unpacker: Unpacker<'_>, refresh: &[u8]) -> Result<PreviousRefresh, NotWhole> {
    let generation = unpacker.number()?;
    let usable_until = unpacker.time(Timestamp::UNIX_EPOCH)?;
    Ok(PreviousRefresh { refresh: unpacker.alike(refresh)?, generation, usable_until })
}

fn read_lease(
    connection: &Reader<'_>,
    (lease, spends): (&'static str, &'static str),
) -> Result<Option<Lease>, StoreError> {
    let Some(reader) = connection.map_if(lease)? else { return Ok(None) };
    Ok(Some(Lease {
        owner: reader.hexed(keys::OWNER, WRITE_PREFIX)?,
        expires_at: reader.instant(keys::LEASE_ENDS)?,
        attempt: reader.hexed_id(keys::ATTEMPT, ATTEMPT_PREFIX)?,
        spends: connection.hexed(spends, "")?,
        started_at: reader.instant(keys::STARTED_AT)?,
    }))
}

fn read_last(reader: &Reader<'_>) -> Result<LastAttempt, StoreError> {
    let failure = match reader.word_if(keys::LAST_CLASS)? {
        Some(class) => Some(AttemptFailure {
            class,
            code: reader.owned_if(keys::LAST_CODE)?,
            trace_id: reader.owned_if(keys::LAST_TRACE)?,
        }),
        None => None,
    };
    Ok(LastAttempt {
        id: reader.hexed_id(keys::ATTEMPT, ATTEMPT_PREFIX)?,
        ended_at: reader.instant(keys::LAST_ENDED)?,
        failure,
    })
}

fn read_chain(mut unpacker: Unpacker<'_>) -> Result<ChainHead, NotWhole> {
    let sequence = unpacker.number()?;
    Ok(ChainHead { sequence, hash: unpacker.rest().try_into().map_err(|_| NotWhole)? })
}

fn read_calls(mut unpacker: Unpacker<'_>) -> Result<Vec<Timestamp>, NotWhole> {
    let mut calls = vec![];
    while !unpacker.is_empty() {
        calls.push(unpacker.time(calls.last().copied().unwrap_or(Timestamp::UNIX_EPOCH))?);
    }
    Ok(calls)
}

fn read_notices(reader: &Reader<'_>) -> Result<Notices, StoreError> {
    Ok(Notices {
        refresh: reader.instant_if(keys::TOLD_REFRESH)?,
        grant: reader.instant_if(keys::TOLD_GRANT)?,
        expired: reader.instant_if(keys::TOLD_EXPIRED)?,
    })
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
