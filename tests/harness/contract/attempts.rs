//! What the history of attempts keeps.

use domain::{
    connection::{ChainHead, ConnectionKey},
    id::AttemptId,
    provider::Provider,
    refresh::{AttemptFailure, AttemptLog, ChainLink, FailureClass, RefreshAttempt, Trigger},
};

use crate::sample::{self, at, ids};

/// What the history of attempts keeps.
pub async fn attempt_log_contract(log: &dyn AttemptLog) {
    attempts_are_listed_newest_first_of_a_tenant_and_of_all(log).await;
    attempts_of_one_connection_are_found_among_others(log).await;
}

async fn attempts_of_one_connection_are_found_among_others(log: &dyn AttemptLog) {
    let key = sample::key();
    let beside = ConnectionKey { connection: ids().connection(), ..key.clone() };
    let mut mine = vec![];
    let mut head = ChainHead::default();
    for _ in 0..3 {
        let mut next = attempt(&key, Provider::Xero, None);
        let link = ChainLink::after(head, &next);
        (next.link, head) = (Some(link), link.head());
        log.record(&next).await.unwrap();
        mine.insert(0, next);
        // More than the page that would do for one connection.
        for _ in 0..3 {
            log.record(&attempt(&beside, Provider::Xero, None)).await.unwrap();
        }
    }

    for limit in [1, 2, 3, 100] {
        let found = log.list_of(Provider::Xero, &key, limit).await.unwrap();
        assert_eq!(found, mine[..mine.len().min(limit as usize)], "the newest {limit}, with their links");
    }
    assert_eq!(log.list_of(Provider::Xero, &beside, 100).await.unwrap().len(), 9);
    assert_eq!(log.list_of(Provider::QuickBooks, &key, 100).await.unwrap(), []);
    assert_eq!(log.list_of(Provider::Xero, &sample::key(), 100).await.unwrap(), []);
    let elsewhere = ConnectionKey { tenant: sample::tenant(), ..key };
    assert_eq!(log.list_of(Provider::Xero, &elsewhere, 100).await.unwrap(), [], "of another tenant");
}

async fn attempts_are_listed_newest_first_of_a_tenant_and_of_all(log: &dyn AttemptLog) {
    let key = sample::key();
    let attempts = [
        attempt(&key, Provider::QuickBooks, None),
        attempt(&key, Provider::QuickBooks, Some((FailureClass::Dead, Some("invalid_grant")))),
        attempt(&key, Provider::QuickBooks, Some((FailureClass::LostRace, None))),
        attempt(&key, Provider::Xero, None),
    ];
    for attempt in &attempts {
        log.record(attempt).await.unwrap();
        log.record(attempt).await.expect("recording again changes nothing");
    }
    let [first, second, third, xero] = attempts;

    let mut newest_first = vec![third.clone(), second, first];
    newest_first.sort_by(|a, b| b.id.cmp(&a.id));
    let of_tenant = log.list(Provider::QuickBooks, Some(&key.tenant), 10).await.unwrap();
    assert_eq!(of_tenant, newest_first);
    let two = log.list(Provider::QuickBooks, Some(&key.tenant), 2).await.unwrap();
    assert_eq!(two, newest_first[..2]);
    assert_eq!(log.list(Provider::Xero, Some(&key.tenant), 10).await.unwrap(), [xero]);
    assert_eq!(log.list(Provider::QuickBooks, Some(&sample::tenant()), 10).await.unwrap(), []);

    let of_all = log.list(Provider::QuickBooks, None, 1000).await.unwrap();
    assert!(of_all.is_sorted_by(|a, b| a.id >= b.id), "newest first");
    let mine: Vec<_> = of_all.into_iter().filter(|attempt| attempt.key == key).collect();
    assert_eq!(mine, newest_first);
    // Other tenants may have newer ones meanwhile, but never more than asked for.
    assert_eq!(log.list(Provider::QuickBooks, None, 1).await.unwrap().len(), 1);
}

fn attempt(
    key: &ConnectionKey,
    provider: Provider,
    failure: Option<(FailureClass, Option<&str>)>,
) -> RefreshAttempt {
    let id: AttemptId = ids().attempt();
    RefreshAttempt {
        id,
        key: key.clone(),
        provider,
        trigger: Trigger::OnDemand,
        started_at: at(0),
        completed_at: at(2),
        failure: failure.map(|(class, code)| AttemptFailure {
            class,
            code: code.map(str::to_owned),
            trace_id: code.map(|_| "1-abc".to_owned()),
        }),
        retry: 2,
        link: None,
    }
}
