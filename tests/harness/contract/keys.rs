//! What the stores of API keys, of users and of counted calls keep.

use domain::{
    api_key::{ApiKey, ApiKeyStore, KeyChange, NewApiKey, Role, Scope},
    call_counts::{CallCounts, CallsOfMonth, Counted, Month},
    entropy::SystemEntropy,
    id::{TenantId, UserId},
    user::{PutUser, User, UserStore},
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{self, at};

/// What a store of API keys keeps.
pub async fn api_key_store_contract(store: &dyn ApiKeyStore) {
    a_key_reads_back_and_its_id_is_taken_once(store).await;
    keys_are_listed_by_id_and_by_tenant(store).await;
    what_changed_is_stored_and_a_revoked_key_stays_as_it_is(store).await;
    a_key_that_is_gone_stays_so(store).await;
}

async fn a_key_reads_back_and_its_id_is_taken_once(store: &dyn ApiKeyStore) {
    let (plain, _) = new_key(Role::Viewer).issue("test", at(0), &SystemEntropy);
    let bound = NewApiKey {
        tenant: Some(sample::tenant()),
        user: Some("person.1".parse().unwrap()),
        expires_at: Some(at(60)),
        ..new_key(Role::Admin)
    };
    let (mut bound, _) = bound.issue("test", at(0), &SystemEntropy);
    (bound.retires_at, bound.revoked_at, bound.last_used_at) = (Some(at(40)), Some(at(30)), Some(at(1)));

    assert_eq!(store.find(&plain.id).await.unwrap(), None);
    for key in [&plain, &bound] {
        assert!(store.insert(key).await.unwrap());
        assert!(store.insert(key).await.unwrap(), "a lost answer is known again");
        assert_eq!(store.find(&key.id).await.unwrap().as_ref(), Some(key));
    }

    let (other, _) = new_key(Role::Admin).issue("test", at(0), &SystemEntropy);
    let usurper = ApiKey { id: plain.id.clone(), ..other };
    assert!(!store.insert(&usurper).await.unwrap(), "an id is taken once");
    assert_eq!(store.find(&plain.id).await.unwrap(), Some(plain));
}

async fn keys_are_listed_by_id_and_by_tenant(store: &dyn ApiKeyStore) {
    let (tenant, neighbor) = (sample::tenant(), sample::tenant());
    let mut own = Vec::new();
    for _ in 0..5 {
        own.push(stored(store, Some(&tenant)).await);
    }
    let others = [stored(store, Some(&neighbor)).await, stored(store, None).await];
    own.sort_by(|one, other| one.id.cmp(&other.id));

    assert_eq!(listed(store, Some(&tenant), 2).await, own);
    assert_eq!(listed(store, Some(&tenant), 100).await, own);
    assert_eq!(listed(store, Some(&sample::tenant()), 100).await, []);
    // Others may use the same table: of all keys only these are asked for.
    let all = listed(store, None, 50).await;
    assert!(own.iter().chain(&others).all(|key| all.contains(key)));
    assert!(all.is_sorted_by(|one, other| one.id < other.id), "each once, by id");
    for cursor in ["", "%%", "a#b", "äöü"] {
        assert!(store.list(None, 10, Some(cursor)).await.is_err(), "{cursor}");
    }
}

async fn what_changed_is_stored_and_a_revoked_key_stays_as_it_is(store: &dyn ApiKeyStore) {
    let key = stored(store, Some(&sample::tenant())).await;
    let found = async || store.find(&key.id).await.unwrap().unwrap();
    let narrowed = KeyChange::Scopes(vec![Scope::TokensRead]);
    // Each of them knows the key as it was at first: what others changed meanwhile stays.
    let update = async |change: &KeyChange| store.update(&key, change).await.unwrap();

    update(&narrowed).await;
    for retires_at in [at(60), at(50), at(70)] {
        update(&KeyChange::Retires(retires_at)).await;
    }
    let retired = ApiKey { scopes: vec![Scope::TokensRead], retires_at: Some(at(50)), ..key.clone() };
    assert_eq!(found().await, retired, "the earliest end stands");

    let revoked = ApiKey { revoked_at: Some(at(30)), ..retired };
    update(&KeyChange::Revoked(at(30))).await;
    for change in [KeyChange::Scopes(vec![]), KeyChange::Retires(at(1)), KeyChange::Revoked(at(99))] {
        update(&change).await;
    }
    assert_eq!(found().await, revoked);

    for (noted, last_used_at) in [(at(20), at(20)), (at(50), at(50)), (at(40), at(50))] {
        store.mark_used(&key.id, noted).await.unwrap();
        assert_eq!(found().await, ApiKey { last_used_at: Some(last_used_at), ..revoked.clone() });
    }
}

async fn a_key_that_is_gone_stays_so(store: &dyn ApiKeyStore) {
    let tenant = sample::tenant();
    for key in [stored(store, Some(&tenant)).await, stored(store, None).await] {
        for _ in 0..2 {
            store.remove(&key).await.unwrap();
            store.update(&key, &KeyChange::Revoked(at(1))).await.unwrap();
            store.mark_used(&key.id, at(1)).await.unwrap();
            assert_eq!(store.find(&key.id).await.unwrap(), None);
        }
    }
    assert_eq!(listed(store, Some(&tenant), 10).await, []);
}

async fn stored(store: &dyn ApiKeyStore, tenant: Option<&TenantId>) -> ApiKey {
    let new = NewApiKey { tenant: tenant.cloned(), ..new_key(Role::Operator) };
    let (key, _) = new.issue("test", at(0), &SystemEntropy);
    assert!(store.insert(&key).await.unwrap());
    key
}

/// Every page, one behind the other.
async fn listed(store: &dyn ApiKeyStore, tenant: Option<&TenantId>, limit: u32) -> Vec<ApiKey> {
    let (mut keys, mut from) = (Vec::new(), None);
    loop {
        let page = store.list(tenant, limit, from.as_deref()).await.unwrap();
        assert!(page.keys.len() <= limit as usize);
        keys.extend(page.keys);
        match page.next {
            Some(next) => from = Some(next),
            None => return keys,
        }
    }
}

fn new_key(role: Role) -> NewApiKey {
    NewApiKey {
        name: "contract".to_owned(),
        scopes: role.scopes(),
        tenant: None,
        user: None,
        expires_at: None,
    }
}

/// What a store of users keeps.
pub async fn user_store_contract(store: &dyn UserStore) {
    let (tenant, neighbor) = (sample::tenant(), sample::tenant());
    let user = |tenant: &TenantId, id: &str, role| User {
        id: id.parse().unwrap(),
        tenant: tenant.clone(),
        role,
        created_at: at(0),
    };
    let (ann, bob) = (user(&tenant, "ann.1", Role::Admin), user(&tenant, "bob", Role::Viewer));
    assert_eq!(store.find(&tenant, &ann.id).await.unwrap(), None);
    assert_eq!(store.put(&ann, 0).await.unwrap(), PutUser::Full, "no user is what zero allows");

    assert_eq!(store.put(&bob, 2).await.unwrap(), PutUser::Added);
    assert_eq!(store.put(&ann, 2).await.unwrap(), PutUser::Added);
    assert_eq!(store.put(&user(&tenant, "cy", Role::Admin), 2).await.unwrap(), PutUser::Full);
    let changed = User { created_at: at(99), ..user(&tenant, "bob", Role::Operator) };
    assert_eq!(store.put(&changed, 1).await.unwrap(), PutUser::Changed, "who is there already, stays");
    let bob = User { role: Role::Operator, ..bob };
    assert_eq!(store.list(&tenant).await.unwrap(), [ann.clone(), bob.clone()], "by id, as first added");
    assert_eq!(store.find(&tenant, &bob.id).await.unwrap(), Some(bob));

    assert!(store.remove(&tenant, &ann.id).await.unwrap());
    assert!(!store.remove(&tenant, &ann.id).await.unwrap(), "again there is none");
    assert_eq!(store.put(&ann, 2).await.unwrap(), PutUser::Added, "a place is free again");

    let theirs = user(&neighbor, "ann.1", Role::Viewer);
    assert_eq!(store.put(&theirs, 1).await.unwrap(), PutUser::Added, "an id is one's own");
    for _ in 0..2 {
        store.clear(&tenant).await.unwrap();
        assert_eq!(store.list(&tenant).await.unwrap(), []);
    }
    assert_eq!(store.list(&neighbor).await.unwrap(), [theirs]);
    of_those_who_come_at_once_as_many_get_in_as_there_is_place(store, &tenant).await;
}

async fn of_those_who_come_at_once_as_many_get_in_as_there_is_place(
    store: &dyn UserStore,
    tenant: &TenantId,
) {
    let user = |number| User {
        id: format!("racer{number}").parse::<UserId>().unwrap(),
        tenant: tenant.clone(),
        role: Role::Viewer,
        created_at: at(0),
    };
    let users: Vec<_> = (0..RACERS).map(user).collect();

    let put = join_all(users.iter().map(|user| store.put(user, 2))).await;

    // One that met all the others too often may be told to try again, but never more get in.
    let added = put.iter().filter(|put| matches!(put, Ok(PutUser::Added))).count();
    assert_eq!(store.list(tenant).await.unwrap().len(), added);
    assert!((1..=2).contains(&added), "{put:?}");
}

/// What counters of calls keep.
pub async fn call_counts_contract(counts: &dyn CallCounts) {
    minutes_are_counted_each_for_itself(counts).await;
    a_month_takes_as_many_calls_as_the_limit_says(counts).await;
}

async fn minutes_are_counted_each_for_itself(counts: &dyn CallCounts) {
    let (key, _) = new_key(Role::Viewer).issue("test", at(0), &SystemEntropy);
    let counted = [
        Counted::Calls(key.id.clone()),
        Counted::RefusedKey(key.id.clone()),
        Counted::RefusedSource(key.id.to_string()),
    ];
    for counted in &counted {
        for expected in 1..=3 {
            assert_eq!(counts.add(counted, at(59)).await.unwrap(), expected);
        }
        assert_eq!(counts.add(counted, at(60)).await.unwrap(), 1, "another minute");
    }
    let one = Counted::Calls(key.id);
    let raced = join_all((0..RACERS).map(|_| counts.add(&one, at(120)))).await;
    let mut raced: Vec<_> = raced.into_iter().map(Result::unwrap).collect();
    raced.sort_unstable();
    assert_eq!(raced, (1..=RACERS as u64).collect::<Vec<_>>(), "each gets a number of its own");
}

async fn a_month_takes_as_many_calls_as_the_limit_says(counts: &dyn CallCounts) {
    let tenant = sample::tenant();
    let (month, next) = (Month::of(at(0)), Month::of(Month::of(at(0)).ends_at()));
    let add = async |limit| counts.add_to_month(&tenant, month, limit).await.unwrap();
    let calls = |calls, counted, told| CallsOfMonth { calls, counted, told };

    assert_eq!(add(Some(0)).await, calls(0, false, false), "none is what zero allows");
    assert_eq!(add(Some(2)).await, calls(1, true, false));
    assert_eq!(add(Some(2)).await, calls(2, true, false));
    assert_eq!(add(Some(2)).await, calls(2, false, false));
    assert!(counts.mark_told(&tenant, month).await.unwrap());
    assert!(!counts.mark_told(&tenant, month).await.unwrap(), "once");
    assert_eq!(add(Some(2)).await, calls(2, false, true));
    assert_eq!(add(None).await, calls(3, true, true), "without a limit all are counted");
    assert_eq!(counts.month(&tenant, month).await.unwrap(), 3);

    assert_eq!(counts.month(&tenant, next).await.unwrap(), 0);
    assert_eq!(counts.add_to_month(&tenant, next, Some(2)).await.unwrap(), calls(1, true, false));
    assert_eq!(counts.month(&sample::tenant(), month).await.unwrap(), 0);
}
