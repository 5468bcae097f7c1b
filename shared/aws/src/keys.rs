//! The key of every item and the name of every attribute: the one place that knows them.
//!
//! What a connection costs is what it weighs, at each lease and each settlement, so its attributes have short names, ids
//! and hashes are bytes, and what no condition asks for is packed:
//!
//! | attribute | type | holds |
//! |---|---|---|
//! | `pk`, `sk` | S | the key; ids cannot contain `#` |
//! | `v` | N | the version of this table |
//! | `listing` | S | the same for every connection: the partition of the index `listing` |
//! | `due_shard`, `due_at` | S, N | the key of the index `due`: partition, and time or 0 in a slot; absent while nothing is due |
//! | `p` | S | the provider's name |
//! | `st`, `why` | S | state, and why it is not active |
//! | `was_st` | S | the state before a verdict, which a token set from the recovery queue takes back |
//! | `sc` | S | the scopes, separated by spaces (RFC 6749 section 3.3) |
//! | `loc` | S | the data center that holds the grant; absent where the provider has one |
//! | `m` | N | when the connection was made |
//! | `used` | N | when its tokens were last used; the one attribute that users of tokens may write |
//! | `wm` | S | whether it is always kept warm, where its tenant says so; the API writes it |
//! | `f`, `w` | N, B | the number that rises with every lease; the mark of the last write |
//! | `was_w` | B | the mark of the last settlement or connect, while a write without a lease came upon it |
//! | `ok`, `bad`, `ms`, `row` | N | attempts that succeeded, that failed, their duration, failures in a row |
//! | `last` | M | the newest attempt: `id` (B), ended `at`, and of a failure class `k`, code `c`, trace id `x` |
//! | `h` | B | the head of the history: hash, number of entries (packed) |
//! | `calls` | B | the times of calls that count against a budget (packed) |
//! | `told` | M | when its tenant was told of the end of refresh token `r`, grant `g`, access token `x` |
//! | `tok` | M | the token set: generation `g`, fingerprint `fp` (B), access envelope `a` (B), refresh envelope `r` (B, after what it shares with `a`), times `t` (B, packed); and of the token before `p` (B, packed: generation, usable until, its envelope after what it shares with the refresh envelope) |
//! | `l`, `lf` | M, B | the lease: owner `o`, ends `x`, attempt `id`, started `s`; the fingerprint it spends |
//! | `wl`, `wf` | M or NULL, B | the lease before, when its worker never ended its attempt |
//!
//! Times are milliseconds since 1970, except `ttl`, which `DynamoDB` wants in seconds.

mod control;
mod sort_keys;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    connection::ConnectionKey,
    id::{AttemptId, AuditId, CompanyId, DeliveryId, JobId, ProviderCompanyId, RecordId, TenantId},
    provider::Provider,
    refresh::Endpoint,
    store::StoreError,
    sync::{Entity, JobState, RecordPlace},
    webhook::Subscription,
};

use crate::item::{Item, Reader};

pub(crate) use sort_keys::{companies_prefix, left_prefix, seen_sort_key, tally_sort_key};

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
pub(crate) const TTL: &str = "ttl";
pub(crate) const SCHEMA: &str = "v";
pub(crate) const PROVIDER: &str = "provider";

pub(crate) const LISTING: &str = "listing";
pub(crate) const DUE_SHARD: &str = "due_shard";
pub(crate) const DUE_AT: &str = "due_at";
pub(crate) const OF_PROVIDER: &str = "p";
pub(crate) const STATE: &str = "st";
pub(crate) const FORMER_STATE: &str = "was_st";
pub(crate) const REASON: &str = "why";
pub(crate) const SCOPES: &str = "sc";
pub(crate) const LOCATION: &str = "loc";
pub(crate) const MADE_AT: &str = "m";
pub(crate) const USED_AT: &str = "used";
pub(crate) const WARMTH: &str = "wm";
pub(crate) const FENCE: &str = "f";
pub(crate) const WRITE_ID: &str = "w";
pub(crate) const FORMER_WRITE: &str = "was_w";
pub(crate) const SUCCEEDED: &str = "ok";
pub(crate) const FAILED: &str = "bad";
pub(crate) const DURATION_MS: &str = "ms";
pub(crate) const FAILED_IN_A_ROW: &str = "row";

pub(crate) const LAST: &str = "last";
pub(crate) const LAST_ENDED: &str = "at";
pub(crate) const LAST_CLASS: &str = "k";
pub(crate) const LAST_CODE: &str = "c";
pub(crate) const LAST_TRACE: &str = "x";
pub(crate) const CHAIN: &str = "h";
pub(crate) const CALLS: &str = "calls";
pub(crate) const NOTICES: &str = "told";
pub(crate) const TOLD_REFRESH: &str = "r";
pub(crate) const TOLD_GRANT: &str = "g";
pub(crate) const TOLD_EXPIRED: &str = "x";

pub(crate) const TOKENS: &str = "tok";
pub(crate) const GENERATION: &str = "g";
pub(crate) const ACCESS: &str = "a";
pub(crate) const REFRESH: &str = "r";
pub(crate) const FINGERPRINT: &str = "fp";
pub(crate) const TIMES: &str = "t";
pub(crate) const PREVIOUS: &str = "p";

pub(crate) const LEASE: &str = "l";
pub(crate) const LEASE_SPENDS: &str = "lf";
pub(crate) const OWNER: &str = "o";
pub(crate) const LEASE_ENDS: &str = "x";
pub(crate) const ATTEMPT: &str = "id";
pub(crate) const STARTED_AT: &str = "s";
pub(crate) const FORMER_LEASE: &str = "wl";
pub(crate) const FORMER_SPENDS: &str = "wf";

/// What the marks of writes, and the names of workers, begin with; left out where they are stored as bytes.
pub(crate) const WRITE_PREFIX: &str = "w_";
/// What the ids of attempts begin with.
pub(crate) const ATTEMPT_PREFIX: &str = "att_";

/// The index of connections that are due.
pub(crate) const DUE_INDEX: &str = "due";
/// The index of all connections, and in its own table that of all deliveries.
pub(crate) const LISTING_INDEX: &str = "listing";
/// The index of attempts by provider.
pub(crate) const PROVIDER_INDEX: &str = "provider";
/// The index of records by the time of their change.
pub(crate) const CHANGED_INDEX: &str = "changed";
/// The index of jobs by where they stand.
pub(crate) const JOBS_INDEX: &str = "jobs";
/// The partition of [`JOBS_INDEX`]: a provider and a state.
pub(crate) const QUEUE: &str = "queue";
/// The place in a partition of [`JOBS_INDEX`]: when the job was made, or ended.
pub(crate) const QUEUED_AT: &str = "queued_at";
/// The one partition of [`LISTING_INDEX`]; it is written once for each connection, so it never grows hot.
pub(crate) const LISTED: &str = "C";

/// The partition of all tenants; a few kilobytes each, and read through a memory of each process.
pub(crate) const TENANTS: &str = "TENANTS";
pub(crate) const DELIVERY_PREFIX: &str = "DELIVERY#";
pub(crate) const CONNECTION_PREFIX: &str = "CONNECTION#";
pub(crate) const RECORD_PREFIX: &str = "RECORD#";
pub(crate) const USER_PREFIX: &str = "USER#";
/// The sort key of a breaker, behind those of its tallies.
pub(crate) const BREAKER_STATE: &str = "STATE";

/// The key of one item.
pub(crate) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    pub(crate) fn connection(key: &ConnectionKey) -> Self {
        Self { pk: tenant_partition(&key.tenant), sk: format!("{CONNECTION_PREFIX}{}", key.connection) }
    }

    pub(crate) fn company(key: &ConnectionKey, company: &CompanyId) -> Self {
        Self { pk: tenant_partition(&key.tenant), sk: format!("{}{company}", companies_prefix(key)) }
    }

    /// That a company was taken off a connection.
    pub(crate) fn left(key: &ConnectionKey, company: &CompanyId) -> Self {
        Self { pk: tenant_partition(&key.tenant), sk: format!("{}{company}", left_prefix(key)) }
    }

    /// The route of a company that one tenant has.
    pub(crate) fn owner(provider: Provider, company: &ProviderCompanyId) -> Self {
        Self { pk: routes_partition(provider, company), sk: "OWNER".to_owned() }
    }

    /// The route of one tenant to a company that several may have.
    pub(crate) fn sharer(provider: Provider, company: &ProviderCompanyId, tenant: &TenantId) -> Self {
        Self { pk: routes_partition(provider, company), sk: tenant_partition(tenant) }
    }

    pub(crate) fn attempt(provider: Provider, tenant: &TenantId, attempt: &AttemptId) -> Self {
        Self { pk: attempts_partition(provider, tenant), sk: format!("ATTEMPT#{attempt}") }
    }

    /// An act in the log of its tenant.
    pub(crate) fn audit(tenant: &TenantId, entry: &AuditId) -> Self {
        Self { pk: audit_partition(tenant), sk: audit_sort_key(entry) }
    }

    /// An act in the log of all; the month reads as `2026-11`.
    pub(crate) fn audit_of_all(month: &str, entry: &AuditId) -> Self {
        Self { pk: audit_month_partition(month), sk: audit_sort_key(entry) }
    }

    pub(crate) fn event(provider: Provider, key: &str) -> Self {
        Self { pk: format!("EVENT#{provider}#{key}"), sk: "EVENT".to_owned() }
    }

    pub(crate) fn delivery(delivery: &DeliveryId) -> Self {
        Self { pk: format!("{DELIVERY_PREFIX}{delivery}"), sk: "DELIVERY".to_owned() }
    }

    /// Deliveries that were refused on one day, which reads as its date, for one reason.
    pub(crate) fn refused(provider: Provider, day: &str, reason: &str) -> Self {
        Self { pk: refused_partition(provider), sk: format!("{day}#{reason}") }
    }

    /// When a subscription was heard last.
    pub(crate) fn heard(subscription: &Subscription) -> Self {
        Self { pk: format!("SUBSCRIPTION#{subscription}"), sk: "HEARD".to_owned() }
    }

    /// When a subscription's silence was last reported; an item of its own, so that its transaction meets no other write.
    pub(crate) fn reported(subscription: &Subscription) -> Self {
        Self { pk: format!("SUBSCRIPTION#{subscription}"), sk: "REPORTED".to_owned() }
    }

    pub(crate) fn record(place: &RecordPlace, entity: Entity, id: &RecordId) -> Self {
        Self { pk: records_partition(place, entity), sk: format!("{RECORD_PREFIX}{id}") }
    }

    pub(crate) fn cursor(place: &RecordPlace, entity: Entity) -> Self {
        Self { pk: company_partition(place), sk: format!("CURSOR#{entity}") }
    }

    /// What a walk over a kind of record saw on one of its pages.
    pub(crate) fn seen(place: &RecordPlace, (entity, walk): (Entity, &JobId), page: u64) -> Self {
        Self { pk: records_partition(place, entity), sk: seen_sort_key(walk, page) }
    }

    /// Which job works on a company.
    pub(crate) fn company_lease(place: &RecordPlace) -> Self {
        Self { pk: company_partition(place), sk: "LEASE".to_owned() }
    }

    pub(crate) fn job(id: &JobId) -> Self {
        Self { pk: format!("JOB#{id}"), sk: "JOB".to_owned() }
    }

    /// Where a tenant's job is listed among its own.
    pub(crate) fn job_of(tenant: &TenantId, id: &JobId) -> Self {
        Self { pk: jobs_partition(tenant), sk: id.to_string() }
    }

    /// The key as an item of its own, to which a write adds its attributes.
    pub(crate) fn into_item(self) -> Item {
        Item::from([(PK.to_owned(), AttributeValue::S(self.pk)), (SK.to_owned(), AttributeValue::S(self.sk))])
    }
}

/// The partition of a tenant's jobs, of each of which it holds the id.
pub(crate) fn jobs_partition(tenant: &TenantId) -> String {
    format!("JOBS#{tenant}")
}

/// The partition of a tenant's connections and their companies.
pub(crate) fn tenant_partition(tenant: &TenantId) -> String {
    format!("TENANT#{tenant}")
}

/// The partition of the acts about a tenant.
pub(crate) fn audit_partition(tenant: &TenantId) -> String {
    format!("AUDIT#{tenant}")
}

/// The partition of all acts of a month; a tenant's id cannot contain `#`.
pub(crate) fn audit_month_partition(month: &str) -> String {
    format!("AUDIT#MONTH#{month}")
}

/// The place of an act among others.
pub(crate) fn audit_sort_key(entry: &AuditId) -> String {
    format!("ENTRY#{entry}")
}

/// The partition of all API keys, or of the pointers to those of a tenant.
pub(crate) fn api_keys_partition(tenant: Option<&TenantId>) -> String {
    tenant.map_or_else(|| "KEYS".to_owned(), |tenant| format!("KEYS#{tenant}"))
}

/// The partition of a tenant's users.
pub(crate) fn users_partition(tenant: &TenantId) -> String {
    format!("USERS#{tenant}")
}

/// The partition of a company's routes.
pub(crate) fn routes_partition(provider: Provider, company: &ProviderCompanyId) -> String {
    format!("ROUTE#{provider}#{company}")
}

/// The partition of a tenant's attempts at one provider.
pub(crate) fn attempts_partition(provider: Provider, tenant: &TenantId) -> String {
    format!("TENANT#{tenant}#{provider}")
}

/// The partition of a provider's refused deliveries.
pub(crate) fn refused_partition(provider: Provider) -> String {
    format!("REFUSED#{provider}")
}

/// The partition of an endpoint's breaker and tallies; that of the token endpoint has the provider's name alone.
pub(crate) fn breaker_partition(provider: Provider, endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::Token => format!("BREAKER#{provider}"),
        Endpoint::Books => format!("BREAKER#books#{provider}"),
    }
}

/// The partition of a tenant's usage.
pub(crate) fn usage_partition(tenant: &TenantId) -> String {
    format!("USAGE#{tenant}")
}

/// The partition of what is known of a company itself.
pub(crate) fn company_partition(place: &RecordPlace) -> String {
    format!("COMPANY#{}#{}", place.tenant, place.company)
}

/// The partition of [`JOBS_INDEX`] for one provider and state.
pub(crate) fn queue_of(provider: Provider, state: JobState) -> String {
    format!("{provider}#{}", state.as_str())
}

/// The partition of one kind of record of a company.
pub(crate) fn records_partition(place: &RecordPlace, entity: Entity) -> String {
    format!("COMPANY#{}#{}#{entity}", place.tenant, place.company)
}

/// Reads back whose connection an item or index entry is.
pub(crate) fn connection_key(reader: &Reader<'_>) -> Result<ConnectionKey, StoreError> {
    Ok(ConnectionKey {
        tenant: reader.parsed_after(PK, "TENANT#")?,
        connection: reader.parsed_after(SK, CONNECTION_PREFIX)?,
    })
}
