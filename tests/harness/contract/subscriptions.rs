//! What it keeps when subscriptions were heard last.

use domain::{
    provider::Provider,
    webhook::{Subscription, Subscriptions},
};
use futures::future::join_all;

use super::RACERS;
use crate::sample::{self, at};

/// What a store of subscriptions keeps.
pub async fn subscriptions_contract(subscriptions: &dyn Subscriptions) {
    what_was_heard_is_noted_again_after_half_an_hour(subscriptions).await;
    one_of_ten_claims_a_report_and_the_next_is_due_a_day_later(subscriptions).await;
}

/// A subscription that nobody heard of.
fn subscription() -> Subscription {
    Subscription::of(Provider::Zoho, &sample::provider_company())
}

async fn what_was_heard_is_noted_again_after_half_an_hour(subscriptions: &dyn Subscriptions) {
    let (subscription, another) = (subscription(), subscription());
    assert_eq!(subscriptions.last_heard(&subscription).await.unwrap(), None);

    // Heard at these seconds, noted then: nothing within half an hour, nothing older than what is noted.
    for (heard, noted) in [(0, 0), (1800, 0), (1801, 1801), (5, 1801), (3602, 3602)] {
        subscriptions.note_heard(&subscription, at(heard)).await.unwrap();
        assert_eq!(subscriptions.last_heard(&subscription).await.unwrap(), Some(at(noted)), "{heard}");
    }

    assert_eq!(subscriptions.last_heard(&another).await.unwrap(), None);
}

async fn one_of_ten_claims_a_report_and_the_next_is_due_a_day_later(subscriptions: &dyn Subscriptions) {
    let (subscription, another) = (subscription(), subscription());
    subscriptions.note_heard(&subscription, at(-90_000)).await.unwrap();

    let claims = join_all((0..RACERS).map(|_| subscriptions.claim_report(&subscription, at(0)))).await;

    let claims: Vec<_> = claims.into_iter().map(Result::unwrap).collect();
    assert_eq!(claims.iter().filter(|is_mine| **is_mine).count(), 1, "{claims:?}");
    assert!(subscriptions.claim_report(&another, at(0)).await.unwrap(), "of each its own");
    assert!(!subscriptions.claim_report(&subscription, at(86_399)).await.unwrap());
    assert!(subscriptions.claim_report(&subscription, at(86_400)).await.unwrap());
    assert!(!subscriptions.claim_report(&subscription, at(86_400)).await.unwrap());
    assert_eq!(
        subscriptions.last_heard(&subscription).await.unwrap(),
        Some(at(-90_000)),
        "a claim is no word"
    );
}
