//! What a store of one-time values keeps.

use domain::{
    authorization::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome, hash},
    entropy::{self, SystemEntropy},
    provider::Provider,
    secret::OneTimeValue,
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{self, at};

const PROVIDER: Provider = Provider::QuickBooks;

/// What a store of one-time values keeps.
pub async fn authorization_store_contract(store: &dyn AuthorizationStore) {
    a_link_is_good_once_for_its_provider_before_its_end(store).await;
    a_link_for_no_provider_in_particular_is_good_once_for_any(store).await;
    a_link_is_found_until_it_is_used_or_ends(store).await;
    links_are_counted_by_tenant_and_minute(store).await;
    one_of_ten_callbacks_consumes_a_request(store).await;
    a_request_is_good_for_its_provider_and_browser_only(store).await;
    what_is_unknown_is_refused(store).await;
}

fn new_hash() -> String {
    hash(&OneTimeValue::new(entropy::one_time_value(&SystemEntropy)))
}

fn session(return_url: Option<&str>) -> ConnectSession {
    ConnectSession {
        code_hash: new_hash(),
        tenant: sample::tenant(),
        provider: Some(PROVIDER),
        scopes: vec![],
        reconnects: None,
        confirm: false,
        return_url: return_url.map(str::to_owned),
        sync: return_url.is_some(),
        expires_at: at(900),
    }
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        state_hash: new_hash(),
        browser_hash: new_hash(),
        session: session(Some("https://app.example/done?x=1")),
        provider: PROVIDER,
        scopes: vec!["openid".to_owned(), "com.intuit.quickbooks.accounting".to_owned()],
        pkce: true,
        expires_at: at(600),
    }
}

async fn a_link_is_good_once_for_its_provider_before_its_end(store: &dyn AuthorizationStore) {
    for session in [session(None), session(Some("https://app.example/"))] {
        store.insert_session(&session).await.unwrap();
        let consume = |provider, now| store.consume_session(&session.code_hash, provider, now);

        assert_eq!(consume(Provider::Xero, at(1)).await.unwrap(), ConsumeOutcome::Refused);
        assert_eq!(consume(PROVIDER, at(900)).await.unwrap(), ConsumeOutcome::Refused, "at its end");
        assert_eq!(consume(PROVIDER, at(901)).await.unwrap(), ConsumeOutcome::Refused, "after its end");
        assert_eq!(consume(PROVIDER, at(899)).await.unwrap(), ConsumeOutcome::Consumed(session.clone()));
        assert_eq!(consume(PROVIDER, at(899)).await.unwrap(), ConsumeOutcome::Used);
        assert_eq!(consume(PROVIDER, at(901)).await.unwrap(), ConsumeOutcome::Used, "told from an ended one");
        assert_eq!(consume(Provider::Xero, at(1)).await.unwrap(), ConsumeOutcome::Refused);
    }
}

async fn a_link_for_no_provider_in_particular_is_good_once_for_any(store: &dyn AuthorizationStore) {
    let session = ConnectSession {
        provider: None,
        scopes: vec!["accounting.invoices.read".to_owned(), "offline_access".to_owned()],
        reconnects: Some(sample::key().connection),
        confirm: true,
        ..session(None)
    };
    store.insert_session(&session).await.unwrap();
    let consume = |provider, now| store.consume_session(&session.code_hash, provider, now);

    assert_eq!(consume(Provider::Zoho, at(900)).await.unwrap(), ConsumeOutcome::Refused, "at its end");
    assert_eq!(consume(Provider::Zoho, at(1)).await.unwrap(), ConsumeOutcome::Consumed(session.clone()));
    assert_eq!(consume(Provider::Xero, at(1)).await.unwrap(), ConsumeOutcome::Used);
    // The request knows the provider that was chosen; the link within it still does not.
    let request = AuthorizationRequest { session, provider: Provider::Zoho, ..request() };
    store.insert_request(&request).await.unwrap();
    let consume = |provider| {
        store.consume_request(&request.state_hash, (provider, request.browser_hash.as_str()), at(1))
    };
    assert_eq!(consume(Provider::Xero).await.unwrap(), ConsumeOutcome::Refused);
    assert_eq!(consume(Provider::Zoho).await.unwrap(), ConsumeOutcome::Consumed(request.clone()));
}

async fn a_link_is_found_until_it_is_used_or_ends(store: &dyn AuthorizationStore) {
    let session = session(None);
    let find = |now| store.find_session(&session.code_hash, now);
    assert_eq!(find(at(1)).await.unwrap(), None, "not made yet");
    store.insert_session(&session).await.unwrap();

    assert_eq!(find(at(1)).await.unwrap().as_ref(), Some(&session));
    assert_eq!(find(at(899)).await.unwrap().as_ref(), Some(&session), "looking uses nothing up");
    assert_eq!(find(at(900)).await.unwrap(), None, "at its end");

    store.consume_session(&session.code_hash, PROVIDER, at(1)).await.unwrap();
    assert_eq!(find(at(1)).await.unwrap(), None, "used");
}

async fn links_are_counted_by_tenant_and_minute(store: &dyn AuthorizationStore) {
    let (tenant, other) = (sample::tenant(), sample::tenant());

    let counts = join_all((0..10).map(|second| store.count_session(&tenant, at(second)))).await;

    let mut counts: Vec<_> = counts.into_iter().map(Result::unwrap).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=10).collect::<Vec<_>>(), "each is told another number");
    assert_eq!(store.count_session(&other, at(0)).await.unwrap(), 1, "a tenant counts alone");
    assert_eq!(store.count_session(&tenant, at(59)).await.unwrap(), 11, "the same minute");
    assert_eq!(store.count_session(&tenant, at(60)).await.unwrap(), 1, "the next");
}

async fn one_of_ten_callbacks_consumes_a_request(store: &dyn AuthorizationStore) {
    let request = request();
    store.insert_request(&request).await.unwrap();
    let bound_to = (PROVIDER, request.browser_hash.as_str());

    let consume = || store.consume_request(&request.state_hash, bound_to, at(1));
    let outcomes = join_all((0..RACERS).map(|_| consume())).await;

    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let used = outcomes.iter().filter(|outcome| **outcome == ConsumeOutcome::Used).count();
    assert_eq!(used, RACERS - 1);
    assert!(outcomes.contains(&ConsumeOutcome::Consumed(request)));
}

async fn a_request_is_good_for_its_provider_and_browser_only(store: &dyn AuthorizationStore) {
    let request = request();
    store.insert_request(&request).await.unwrap();
    let consume = async |provider, browser: &str, now| {
        store.consume_request(&request.state_hash, (provider, browser), now).await.unwrap()
    };
    let browser = &request.browser_hash;

    assert_eq!(consume(Provider::Zoho, browser, at(1)).await, ConsumeOutcome::Refused);
    assert_eq!(consume(PROVIDER, &new_hash(), at(1)).await, ConsumeOutcome::Refused);
    assert_eq!(consume(PROVIDER, browser, at(600)).await, ConsumeOutcome::Refused, "at its end");
    assert_eq!(consume(PROVIDER, browser, at(601)).await, ConsumeOutcome::Refused, "after its end");
    assert_eq!(consume(PROVIDER, browser, at(599)).await, ConsumeOutcome::Consumed(request.clone()));
    // Somebody else's browser does not even learn that it was used.
    assert_eq!(consume(PROVIDER, &new_hash(), at(1)).await, ConsumeOutcome::Refused);
}

async fn what_is_unknown_is_refused(store: &dyn AuthorizationStore) {
    let (known, unknown) = (request(), new_hash());
    store.insert_request(&known).await.unwrap();

    let session = store.consume_session(&unknown, PROVIDER, at(1)).await.unwrap();
    let request = store.consume_request(&unknown, (PROVIDER, &unknown), at(1)).await.unwrap();

    assert_eq!((session, request), (ConsumeOutcome::Refused, ConsumeOutcome::Refused));
    // A state is no link and a link is no state.
    let swapped = store.consume_session(&known.state_hash, PROVIDER, at(1)).await.unwrap();
    assert_eq!(swapped, ConsumeOutcome::Refused);
}
