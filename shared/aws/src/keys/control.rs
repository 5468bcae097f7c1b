//! Keys of the items of the control table.

use domain::{
    call_counts::{Counted, Month},
    id::{ApiKeyId, TenantId, UserId},
    limits::BudgetPlace,
    provider::Provider,
    proxy::FlightKey,
    refresh::Endpoint,
};
use jiff::civil::Date;

use super::{
    BREAKER_STATE, Key, TENANTS, USER_PREFIX, api_keys_partition, breaker_partition, tally_sort_key,
    usage_partition, users_partition,
};

impl Key {
    pub(crate) fn tenant(tenant: &TenantId) -> Self {
        Self { pk: TENANTS.to_owned(), sk: tenant.to_string() }
    }

    pub(crate) fn api_key(id: &ApiKeyId) -> Self {
        Self { pk: api_keys_partition(None), sk: id.to_string() }
    }

    /// That a key is a tenant's.
    pub(crate) fn api_key_of(tenant: &TenantId, id: &ApiKeyId) -> Self {
        Self { pk: api_keys_partition(Some(tenant)), sk: id.to_string() }
    }

    pub(crate) fn user(tenant: &TenantId, id: &UserId) -> Self {
        Self { pk: users_partition(tenant), sk: format!("{USER_PREFIX}{id}") }
    }

    /// How many users a tenant has.
    pub(crate) fn user_count(tenant: &TenantId) -> Self {
        Self { pk: users_partition(tenant), sk: "COUNT".to_owned() }
    }

    /// What is counted within one minute since 1970.
    pub(crate) fn counted(counted: &Counted, minute: i64) -> Self {
        let pk = match counted {
            Counted::Calls(key) => format!("LIMIT#calls#{key}"),
            Counted::RefusedKey(key) => format!("LIMIT#refused#{key}"),
            Counted::RefusedSource(source) => format!("LIMIT#source#{source}"),
        };
        Self { pk, sk: minute.to_string() }
    }

    /// The calls of our API about a tenant in a month; the letter keeps it out of the range of days.
    pub(crate) fn calls_in(tenant: &TenantId, month: Month) -> Self {
        Self { pk: usage_partition(tenant), sk: format!("CALLS#{month}") }
    }

    /// What cursors are proven with.
    pub(crate) fn cursor_key() -> Self {
        Self { pk: "CURSORS".to_owned(), sk: "KEY".to_owned() }
    }

    /// The sums of a tenant's connections, or of all.
    pub(crate) fn token_tally(tenant: Option<&TenantId>) -> Self {
        let tenant = tenant.map(TenantId::as_str).unwrap_or_default();
        Self { pk: format!("TALLY#{tenant}"), sk: "TALLY".to_owned() }
    }

    /// What a caller's name of a request stands for.
    pub(crate) fn named_request(name: &str) -> Self {
        Self { pk: format!("REQUEST#{name}"), sk: "REQUEST".to_owned() }
    }

    /// Where nothing is, in every table.
    pub(crate) fn probe() -> Self {
        Self { pk: "PROBE".to_owned(), sk: "PROBE".to_owned() }
    }

    pub(crate) fn session(code_hash: &str) -> Self {
        Self { pk: format!("SESSION#{code_hash}"), sk: "SESSION".to_owned() }
    }

    /// The count of a tenant's connect links within one minute since 1970.
    pub(crate) fn sessions_in(tenant: &TenantId, minute: i64) -> Self {
        Self { pk: format!("LIMIT#connect#{tenant}"), sk: minute.to_string() }
    }

    pub(crate) fn state(state_hash: &str) -> Self {
        Self { pk: format!("STATE#{state_hash}"), sk: "STATE".to_owned() }
    }

    pub(crate) fn last_run() -> Self {
        Self { pk: "SCHEDULER".to_owned(), sk: "LAST_RUN".to_owned() }
    }

    /// How far the sweep came with one provider.
    pub(crate) fn walk(provider: Provider) -> Self {
        Self { pk: "SCHEDULER".to_owned(), sk: format!("WALK#{provider}") }
    }

    pub(crate) fn breaker(provider: Provider, endpoint: Endpoint) -> Self {
        Self { pk: breaker_partition(provider, endpoint), sk: BREAKER_STATE.to_owned() }
    }

    /// One question to a provider that is under way.
    pub(crate) fn flight(key: &FlightKey) -> Self {
        Self { pk: format!("FLIGHT#{}", key.as_str()), sk: "FLIGHT".to_owned() }
    }

    /// What the flight of this name left behind.
    pub(crate) fn landed(key: &FlightKey, name: &str) -> Self {
        Self { pk: format!("FLIGHT#{}", key.as_str()), sk: format!("LANDED#{name}") }
    }

    /// What came of attempts at one endpoint within one minute since 1970.
    pub(crate) fn tally(provider: Provider, endpoint: Endpoint, minute: i64) -> Self {
        Self { pk: breaker_partition(provider, endpoint), sk: tally_sort_key(minute) }
    }

    /// What was asked lately of a provider, about one company or in all.
    pub(crate) fn budget(place: &BudgetPlace) -> Self {
        let (pk, sk) = match place {
            BudgetPlace::Company(provider, company) => (format!("BUDGET#{provider}#{company}"), "COMPANY"),
            BudgetPlace::App(provider) => (format!("BUDGET#{provider}"), "APP"),
        };
        Self { pk, sk: sk.to_owned() }
    }

    /// What a tenant used of a provider on a day.
    pub(crate) fn usage(tenant: &TenantId, day: Date, provider: Provider) -> Self {
        Self { pk: usage_partition(tenant), sk: format!("{day}#{provider}") }
    }
}
