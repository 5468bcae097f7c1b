//! What those keep who count connections.

use domain::{
    connection::{ConnectionState, ConnectionStore},
    provider::Provider,
    refresh::{KeptTally, Standing, Standings, TallyStore, TokenTally, WholeTally},
};

use crate::sample::{self, at, tenant};

/// What every list of standings keeps.
pub async fn standings_contract(store: &(impl ConnectionStore + Standings)) {
    let tenant = tenant();
    let mut expected = vec![];
    for provider in [Provider::QuickBooks, Provider::Xero, Provider::Zoho] {
        let mut connection = sample::connection(&sample::key());
        connection.key.tenant = tenant.clone();
        connection.provider = provider;
        if provider == Provider::Zoho {
            (connection.tokens, connection.state) = (None, ConnectionState::ReconnectRequired);
        }
        expected.push(Standing::from(&connection));
        store.connect(&sample::new_connection(connection)).await.unwrap();
    }

    let (mut found, mut from) = (vec![], None::<String>);
    loop {
        let page = store.list_standings(Some(&tenant), 2, from.as_deref()).await.unwrap();
        found.extend(page.standings);
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    found.sort_by_key(|standing| standing.provider);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(
            (found.provider, found.state, found.token),
            (expected.provider, expected.state, expected.token)
        );
        let counted = |standing: &Standing| {
            let attempts = standing.attempts;
            (attempts.succeeded, attempts.failed, attempts.duration_ms)
        };
        assert_eq!(counted(found), counted(expected));
    }
    assert_eq!(found.len(), 3);

    let of_all = store.list_standings(None, 1, None).await.unwrap();
    assert_eq!((of_all.standings.len(), of_all.next.is_some()), (1, true), "those of all tenants, too");
    assert!(store.list_standings(None, 1, Some("%")).await.is_err());
}

/// What every store of sums keeps.
pub async fn tally_store_contract(store: &dyn TallyStore) {
    let tenant = Some(tenant());
    let tenant = tenant.as_ref();
    let (now, until) = (at(0), at(20));
    let mut tally = TokenTally { total: 3, healthy: 3, ..TokenTally::default() };
    tally.attempts.entry(Provider::Xero).or_default().succeeded = 7;
    let whole =
        WholeTally { tally, began_at: at(1), done_at: at(2), took: std::time::Duration::from_millis(1500) };
    let kept = KeptTally { whole: Some(whole), part: None };

    assert_eq!(store.find(tenant).await.unwrap(), KeptTally::default());
    assert_eq!(store.claim(tenant, "one", (now, until)).await.unwrap(), Some(KeptTally::default()));
    assert_eq!(store.claim(tenant, "two", (now, until)).await.unwrap(), None, "one counts");
    assert!(store.claim(tenant, "one", (now, until)).await.unwrap().is_some(), "the same call again");
    store.save(tenant, "two", &kept).await.unwrap();
    assert_eq!(store.find(tenant).await.unwrap(), KeptTally::default(), "who has no right stores nothing");

    store.save(tenant, "one", &kept).await.unwrap();
    store.save(tenant, "one", &kept).await.unwrap();
    assert_eq!(store.find(tenant).await.unwrap(), kept);
    assert_eq!(
        store.claim(tenant, "two", (now, until)).await.unwrap(),
        Some(kept.clone()),
        "it was given back"
    );
    assert_eq!(
        store.claim(tenant, "three", (until, at(40))).await.unwrap(),
        Some(kept),
        "the right ends by itself"
    );
    store.save(tenant, "three", &KeptTally::default()).await.unwrap();
    assert_eq!(store.find(tenant).await.unwrap(), KeptTally::default());
}
