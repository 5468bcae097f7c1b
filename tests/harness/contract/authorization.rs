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
        provider: PROVIDER,
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
