//! What an answer of the provider means for a connection: the whole table, and the evidence that a verdict takes.

use std::time::Duration;

use domain::{
    clock::Clock as _,
    connection::ConnectionState,
    event::EventKind,
    refresh::{FailureClass, RefreshOutcome, Trigger},
    token::{Refusal, TokenEndpointError},
};
use rstest::rstest;

use crate::world::{World, class, due_at, invalid_grant};

fn refusal(error: &str, status: u16) -> Refusal {
    Refusal { error: Some(error.to_owned()), status: Some(status), trace_id: Some("tid-1".to_owned()) }
}

/// One answer of the token endpoint.
#[derive(Clone, Copy)]
enum Answer {
    Dead,
    AppRefused,
    Throttled(Option<u64>),
    Failed,
    Unreached,
    Lost,
}

impl Answer {
    fn error(self) -> TokenEndpointError {
        match self {
            Self::Dead => TokenEndpointError::GrantRefused(refusal("invalid_grant", 400)),
            Self::AppRefused => TokenEndpointError::AppRefused(refusal("invalid_client", 401)),
            Self::Throttled(seconds) => TokenEndpointError::Throttled {
                refusal: refusal("Access Denied", 429),
                retry_after: seconds.map(Duration::from_secs),
            },
            Self::Failed => TokenEndpointError::Failed(refusal("http_503", 503)),
            Self::Unreached => TokenEndpointError::Unreached("refused".into()),
            Self::Lost => TokenEndpointError::Unknown { refusal: Refusal::default(), source: None },
        }
    }
}

/// Answers in the order in which they come; whether a token before the current one may still be good; then the class that
/// the attempt ends with (none: a new token set), the state of the connection, and how often something was sent.
#[rstest]
#[case::the_word_of_the_provider_on_the_only_token(&[Answer::Dead], false, Some(FailureClass::Dead), "reconnect_required", 1)]
#[case::its_word_on_both_tokens(&[Answer::Dead, Answer::Dead], true, Some(FailureClass::Dead), "reconnect_required", 2)]
#[case::the_former_token_is_still_good(&[Answer::Dead], true, None, "active", 2)]
#[case::the_former_token_could_not_be_tried(&[Answer::Dead, Answer::Lost], true, Some(FailureClass::Unknown), "active", 2)]
#[case::the_former_token_met_a_failure(&[Answer::Dead, Answer::Failed, Answer::Failed, Answer::Failed], true, Some(FailureClass::Transient), "active", 4)]
#[case::the_former_token_met_a_throttle(&[Answer::Dead, Answer::Throttled(None)], true, Some(FailureClass::Throttled), "active", 2)]
#[case::our_app_is_refused(&[Answer::AppRefused], true, Some(FailureClass::Configuration), "active", 1)]
#[case::it_throttles(&[Answer::Throttled(None)], false, Some(FailureClass::Throttled), "active", 1)]
#[case::it_throttles_for_a_moment(&[Answer::Throttled(Some(2))], false, None, "active", 2)]
#[case::it_throttles_for_long(&[Answer::Throttled(Some(600))], false, Some(FailureClass::Throttled), "active", 1)]
#[case::it_stumbles(&[Answer::Failed], false, None, "active", 2)]
#[case::it_stumbles_twice(&[Answer::Failed, Answer::Unreached], false, None, "active", 3)]
#[case::it_is_down(&[Answer::Failed, Answer::Failed, Answer::Failed], true, Some(FailureClass::Transient), "active", 3)]
#[case::it_is_out_of_reach(&[Answer::Unreached, Answer::Unreached, Answer::Unreached], true, Some(FailureClass::Transient), "active", 3)]
#[case::its_answer_is_lost(&[Answer::Lost], true, Some(FailureClass::Unknown), "active", 1)]
#[case::its_answer_is_lost_after_a_failure(&[Answer::Failed, Answer::Lost], false, Some(FailureClass::Unknown), "active", 2)]
#[tokio::test]
async fn only_the_providers_own_word_on_every_token_ends_a_connection(
    #[case] answers: &[Answer],
    #[case] has_previous: bool,
    #[case] expected: Option<FailureClass>,
    #[case] state: &str,
    #[case] sent: usize,
) {
    let world = World::new();
    let key = world.connected().await;
    if has_previous {
        world.manual(&key).await;
        world.clock.advance(Duration::from_mins(1));
    }
    let before = world.refreshes();
    for answer in answers {
        world.provider.answer(Err(answer.error()));
    }

    let outcome = world.manual(&key).await;

    assert_eq!(class(&outcome), expected, "{outcome:?}");
    let connection = world.find(&key).await;
    assert_eq!(connection.state.as_str(), state);
    assert_eq!(world.refreshes() - before, sent);
    let is_told = world.kinds().contains(&EventKind::ConnectionReconnectRequired);
    assert_eq!(is_told, state == "reconnect_required");
    assert_eq!(
        connection.lease.is_some(),
        expected == Some(FailureClass::Unknown),
        "kept on an unknown outcome only"
    );
    let last = connection.last.unwrap().failure;
    assert_eq!(last.map(|failure| failure.class), expected);
}

#[tokio::test]
async fn a_throttle_is_obeyed_for_as_long_as_it_says() {
    let world = World::new();
    let key = world.connected().await;
    world.provider.answer(Err(Answer::Throttled(Some(600)).error()));
    let asked = world.clock.now();

    world.manual(&key).await;

    assert!(due_at(&world.find(&key).await).duration_since(asked).as_secs() >= 600);
}

#[tokio::test]
async fn a_grant_that_is_refused_while_many_others_are_is_not_judged() {
    let world = World::new();
    let mut keys = vec![];
    for _ in 0..12 {
        keys.push(world.connected().await);
    }
    for _ in &keys {
        world.provider.answer(Err(invalid_grant()));
    }

    let refreshes = keys.iter().map(|key| world.refresh(key, Trigger::Manual));
    let outcomes: Vec<_> = futures::future::join_all(refreshes).await;

    for report in outcomes {
        assert_eq!(class(&report.outcome), Some(FailureClass::Transient), "{report:?}");
    }
    for key in &keys {
        assert_eq!(world.find(key).await.state, ConnectionState::Active);
    }
    assert!(!world.kinds().contains(&EventKind::ConnectionReconnectRequired));
}

#[tokio::test]
async fn a_grant_that_is_refused_while_others_are_renewed_dies_at_once() {
    let world = World::new();
    let mut keys = vec![];
    for _ in 0..12 {
        keys.push(world.connected().await);
    }
    let dead = world.connected().await;
    world.provider.answer(Err(invalid_grant()));
    assert_eq!(class(&world.manual(&dead).await), Some(FailureClass::Dead));

    for key in &keys {
        assert_eq!(world.manual(key).await, RefreshOutcome::Refreshed);
    }
    assert_eq!(world.find(&dead).await.state, ConnectionState::ReconnectRequired);
}
