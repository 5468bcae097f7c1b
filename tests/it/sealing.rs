//! Token sets sealed, opened and sealed again, and what that costs in calls to the key service.

use std::time::Duration;

use domain::{
    connection::{Connection, PreviousRefresh, SealedTokens},
    refresh::{RefreshOutcome, Trigger},
    sealing::{SealedPair, TokenSealer, wrapped_key},
    secret::{AccessToken, RefreshToken},
    token::{Refusal, TokenEndpointError, TokenSet},
};
use futures::FutureExt as _;
use proptest::prelude::*;

use crate::world::World;

/// A connection that holds `pair`, and the refresh token before it.
fn holding(
    connection: &Connection,
    pair: SealedPair,
    generation: u64,
    previous: Option<(Vec<u8>, u64)>,
) -> (Connection, SealedTokens) {
    let mut connection = connection.clone();
    let before = connection.tokens.take().unwrap();
    let previous = previous.map(|(refresh, generation)| PreviousRefresh {
        refresh,
        generation,
        usable_until: before.issued_at,
    });
    let tokens = SealedTokens { access: pair.access, refresh: pair.refresh, generation, previous, ..before };
    connection.tokens = Some(tokens.clone());
    (connection, tokens)
}

fn token_set(world: &World, (access, refresh): &(String, String)) -> TokenSet {
    TokenSet {
        access: AccessToken::new(access.as_str()),
        refresh: RefreshToken::new(refresh.as_str()),
        ..world.provider.fresh()
    }
}

/// Any text at all, and such as tokens look like, up to the 4 KiB that Intuit asks to reserve.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[!-~]{0,4096}"]
}

#[tokio::test]
async fn any_token_comes_back_as_it_was_and_so_does_the_one_before_it() {
    let world = World::new();
    let connection = world.find(&world.connected().await).await;
    let sealer = &world.refresher.sealer;

    proptest!(|(first in (text(), text()), second in (text(), text()), generation in 0..u64::MAX)| {
        let place = (&connection.key, connection.provider);
        let former = token_set(&world, &first);
        let pair =
            sealer.seal_under_new_keys(place, generation, &former).now_or_never().unwrap().unwrap();
        let former = pair.refresh.clone();
        let (holder, tokens) = holding(&connection, pair, generation, None);
        let opened = sealer.open_refresh(&holder, &tokens).now_or_never().unwrap().unwrap();
        prop_assert_eq!(opened.token.expose(), &first.1);

        let next = token_set(&world, &second);
        let pair = sealer.reseal(&holder, &opened, generation + 1, &next).unwrap();
        let (holder, tokens) =
            holding(&connection, pair, generation + 1, Some((former, generation)));

        let access = sealer.open_access(&holder, &tokens).now_or_never().unwrap().unwrap();
        let refresh = sealer.open_refresh(&holder, &tokens).now_or_never().unwrap().unwrap();
        let previous = sealer.open_previous(&holder, &tokens).now_or_never().unwrap().unwrap().unwrap();
        prop_assert_eq!(access.expose(), &second.0);
        prop_assert_eq!(refresh.token.expose(), &second.1);
        prop_assert_eq!(previous.token.expose(), &first.1);
    });
}

/// What refreshing by hand makes of the tokens: seals `tokens` with whatever keys opening brought.
async fn refreshed_by_hand(sealer: &TokenSealer, connection: &Connection, next: &TokenSet) -> Connection {
    let tokens = connection.tokens.as_ref().unwrap();
    let opened = sealer.open_refresh(connection, tokens).await.unwrap();
    let pair = sealer.reseal(connection, &opened, tokens.generation + 1, next).unwrap();
    holding(connection, pair, tokens.generation + 1, None).0
}

#[tokio::test]
async fn an_access_envelope_that_came_to_harm_is_made_whole_by_the_next_refresh() {
    let world = World::new();
    let connection = world.find(&world.connected().await).await;
    let sealer = &world.refresher.sealer;
    let access = connection.tokens.clone().unwrap().access;
    let wrapped = 5..5 + wrapped_key(&access).unwrap().len();
    // The wrapped key is left out: only the key service could tell that it was harmed.
    let flipped = (0..access.len()).filter(|at| !wrapped.contains(at)).map(|at| {
        let mut harmed = access.clone();
        harmed[at] ^= 1;
        harmed
    });
    let cut = (0..access.len()).map(|length| access[..length].to_vec());

    for harmed in flipped.chain(cut) {
        let mut connection = connection.clone();
        connection.tokens.as_mut().unwrap().access = harmed;

        let next = world.provider.fresh();
        let healed = refreshed_by_hand(sealer, &connection, &next).await;

        let opened = sealer.open_access(&healed, healed.tokens.as_ref().unwrap()).await.unwrap();
        assert_eq!(opened.expose(), next.access.expose());
    }
}

/// How many calls to the key service `act` costs.
async fn cost<T>(world: &World, act: impl Future<Output = T>) -> (usize, T) {
    let before = world.keys.calls();
    let done = act.await;
    (world.keys.calls() - before, done)
}

#[tokio::test]
async fn what_is_recovered_with_an_older_data_key_is_sealed_under_new_ones_that_readers_can_open() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_hours(91 * 24));
    assert_eq!(world.manual(&key).await, RefreshOutcome::Refreshed);
    let connection = world.find(&key).await;
    let tokens = connection.tokens.as_ref().unwrap();
    let sealer = &world.refresher.sealer;

    let (calls, opened) = cost(&world, sealer.open_previous(&connection, tokens)).await;
    let opened = opened.unwrap().unwrap();
    let next = world.provider.fresh();
    let pair = sealer.reseal(&connection, &opened, tokens.generation + 1, &next).unwrap();

    assert!(opened.has_new_keys());
    assert_eq!(calls, 3, "one key opened, two made");
    let (holder, tokens) = holding(&connection, pair, tokens.generation + 1, None);
    assert_eq!(sealer.open_access(&holder, &tokens).await.unwrap().expose(), next.access.expose());
    let opened = sealer.open_refresh(&holder, &tokens).await.unwrap();
    assert_eq!(opened.token.expose(), next.refresh.expose());
    assert!(!opened.has_new_keys(), "the new keys are in use");
}

#[tokio::test]
async fn connecting_makes_two_keys_and_opens_none() {
    let world = World::new();

    assert_eq!(cost(&world, world.connected()).await.0, 2);
}

#[tokio::test]
async fn a_refresh_that_fails_costs_no_more_than_one_that_does_not() {
    let world = World::new();
    let key = world.connected().await;
    (0..3).for_each(|_| world.provider.answer(Err(TokenEndpointError::Failed(Refusal::default()))));

    let (calls, outcome) = cost(&world, world.manual(&key)).await;

    assert!(matches!(outcome, RefreshOutcome::Failed { .. }), "{outcome:?}");
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn a_refresh_that_is_not_needed_costs_no_call() {
    let world = World::new();
    let key = world.connected().await;

    let (calls, report) = cost(&world, world.refresh(&key, Trigger::Scheduled)).await;

    assert_eq!((calls, report.outcome), (0, RefreshOutcome::Fresh));
}

#[tokio::test]
async fn a_reader_stays_warm_over_refreshes_and_pays_once_in_five_minutes() {
    let world = World::new();
    let key = world.connected().await;
    let access = world.access();
    let read = || async { access.access_token(&key).await.unwrap().token.expose().to_owned() };
    let (calls, first) = cost(&world, read()).await;
    assert_eq!(calls, 1);

    world.clock.advance(Duration::from_mins(1));
    assert_eq!(cost(&world, world.manual(&key)).await.0, 1, "the refresh itself");
    let (calls, second) = cost(&world, read()).await;
    assert_eq!(calls, 0, "the data key is the same");
    assert_ne!(first, second);

    world.clock.advance(Duration::from_mins(4));
    assert_eq!(cost(&world, read()).await.0, 1);
}

#[tokio::test]
async fn opening_the_token_before_costs_one_call_and_sealing_none() {
    let world = World::new();
    let key = world.connected().await;
    world.manual(&key).await;
    let connection = world.find(&key).await;
    let tokens = connection.tokens.as_ref().unwrap();
    let sealer = &world.refresher.sealer;

    let (calls, opened) = cost(&world, sealer.open_previous(&connection, tokens)).await;
    let opened = opened.unwrap().unwrap();
    let sealing = async { sealer.reseal(&connection, &opened, 3, &world.provider.fresh()) };

    assert_eq!(calls, 1);
    assert_eq!(cost(&world, sealing).await.0, 0);
    let reading = async { sealer.open_access_with(&connection, tokens, &opened).unwrap().is_some() };
    assert_eq!(cost(&world, reading).await, (0, true));
}
