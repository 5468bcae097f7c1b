//! Access tokens as their users get them.

use std::time::Duration;

use domain::token::{Refusal, TokenEndpointError};

use crate::world::World;

#[tokio::test]
async fn waiters_get_the_winners_token_and_spend_nothing() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_mins(56));
    let access = world.access();

    let tokens = futures::future::join_all((0..10).map(|_| access.access_token(&key))).await;

    let tokens: Vec<_> = tokens.into_iter().map(|token| token.unwrap().token.expose().to_owned()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{}", tokens.len());
    assert_eq!(world.refreshes(), 1);
}

#[tokio::test]
async fn a_warm_access_token_costs_no_call_to_the_key_service() {
    let world = World::new();
    let key = world.connected().await;
    let access = world.access();
    access.access_token(&key).await.unwrap();
    let calls = world.keys.calls();

    for _ in 0..100 {
        access.access_token(&key).await.unwrap();
    }

    assert_eq!(world.keys.calls(), calls);
}

#[tokio::test]
async fn a_good_token_is_used_while_the_provider_is_down() {
    let world = World::new();
    let key = world.connected().await;
    world.clock.advance(Duration::from_mins(50));
    world.provider.answer(Err(TokenEndpointError::Failed(Refusal::default())));

    assert!(world.access().access_token(&key).await.is_ok());

    assert_eq!(world.refreshes(), 0);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_for_all_who_held_it() {
    let world = World::new();
    let key = world.connected().await;
    let access = world.access();
    let refused = access.access_token(&key).await.unwrap().token;

    for _ in 0..5 {
        let other = access.replacement(&key, &refused).await.unwrap();
        assert_ne!(other.expose(), refused.expose());
        world.clock.advance(Duration::from_secs(20));
    }

    assert_eq!(world.refreshes(), 1);
}
