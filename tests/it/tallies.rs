//! Figures of many connections: exact where they are few, else counted now and then, in parts where it takes long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    api_key::Role,
    clock::Clock as _,
    connection::{AttemptCounters, ConnectionState, ConnectionStore as _},
    id::TenantId,
    provider::Provider,
    refresh::{StandingPage, Standings, Tallies},
    store::StoreError,
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use tests::{
    ManualClock,
    memory::InMemoryConnections,
    sample::{self, at},
};

use crate::{api_world::ApiWorld, world::World};

/// Connections of a tenant, in every state; as many as five times `of_each`.
async fn connect(world: &World, tenant: &TenantId, of_each: usize) {
    for number in 0..5 * of_each {
        let mut connection = sample::connection(&sample::key());
        connection.key.tenant = tenant.clone();
        connection.attempts =
            AttemptCounters { succeeded: 2, failed: 1, duration_ms: 600, failed_in_a_row: 1 };
        connection.provider = Provider::ALL[number % 2];
        let ends = |seconds: i64| Some(sample::tokens(1, at(seconds - 3600), 1));
        match number % 5 {
            0 => connection.tokens = ends(3600),
            1 => connection.tokens = ends(600),
            2 => connection.tokens = ends(-1),
            3 => connection.state = ConnectionState::ReconnectRequired,
            _ => (connection.state, connection.tokens) = (ConnectionState::Disconnected, None),
        }
        world.connections.connect(&sample::new_connection(connection)).await.unwrap();
    }
}

async fn summary(api: &ApiWorld, query: &str) -> Value {
    let (status, body) = api.call("GET", &format!("/api/tokens/status{query}"), None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["summary"].clone()
}

fn figures(of_each: usize, as_of: &str) -> Value {
    json!({"total": 4 * of_each, "healthy": of_each, "warning": of_each, "expired": 2 * of_each,
           "reconnectRequired": of_each, "asOf": as_of})
}

const AT_FIRST: &str = "2100-01-01T00:00:00Z";

#[tokio::test]
async fn the_summary_is_of_all_connections_and_not_of_the_page() {
    let (world, tenant) = (World::new(), sample::tenant());
    connect(&world, &tenant, 30).await;
    connect(&world, &sample::tenant(), 50).await;
    let bound = ApiWorld::new(&world, Role::Viewer, Some(&tenant)).await;
    let all = ApiWorld::new(&world, Role::Viewer, None).await;

    for query in ["", "?limit=1", "?limit=100"] {
        assert_eq!(summary(&bound, query).await, figures(30, AT_FIRST), "{query}");
        assert_eq!(summary(&all, query).await, figures(80, AT_FIRST), "{query}");
    }
    assert_eq!(summary(&all, &format!("?tenantId={tenant}")).await, figures(30, AT_FIRST));
}

#[tokio::test]
async fn few_connections_are_counted_exactly_each_time_and_many_once_a_minute() {
    let (world, few, many) = (World::new(), sample::tenant(), sample::tenant());
    connect(&world, &few, 2).await;
    connect(&world, &many, 30).await;
    let (few_api, many_api) = (
        ApiWorld::new(&world, Role::Viewer, Some(&few)).await,
        ApiWorld::new(&world, Role::Viewer, Some(&many)).await,
    );
    assert_eq!(summary(&few_api, "").await["total"], 8);
    assert_eq!(summary(&many_api, "").await["total"], 120);

    connect(&world, &few, 1).await;
    connect(&world, &many, 1).await;
    world.clock.advance(Duration::from_secs(59));
    let told = summary(&few_api, "").await;
    assert_eq!((&told["total"], &told["asOf"]), (&json!(12), &json!("2100-01-01T00:00:59Z")));
    assert_eq!(summary(&many_api, "").await["asOf"], AT_FIRST, "counting is not repeated within a minute");

    world.clock.advance(Duration::from_secs(1));
    let told = summary(&many_api, "").await;
    assert_eq!((&told["total"], &told["asOf"]), (&json!(124), &json!("2100-01-01T00:01:00Z")));
}

#[tokio::test]
async fn the_statistics_of_a_history_are_of_all_attempts_ever_those_of_ended_connections_too() {
    let (world, few, many) = (World::new(), sample::tenant(), sample::tenant());
    connect(&world, &few, 2).await;
    connect(&world, &many, 220).await;

    for (tenant, connections) in [(&few, 5), (&many, 550)] {
        let api = ApiWorld::new(&world, Role::Viewer, Some(tenant)).await;
        let (_, body) = api.call("GET", "/api/tokens/history/quickbooks", None).await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(body["stats"], {".*" => insta::dynamic_redaction(move |value, path| {
                match (path.to_string().as_str(), value.as_u64()) {
                    (".averageDuration" | ".asOf", _) => value,
                    (_, Some(sum)) => (sum / connections).into(),
                    _ => value,
                }
            })}, @r#"
            {
              "asOf": "2100-01-01T00:00:00Z",
              "averageDuration": 200,
              "failed": 1,
              "successful": 2,
              "totalAttempts": 3
            }
            "#);
        }
    }
}

/// Connections that are read slowly, a thousand at a time.
struct Slow {
    connections: Arc<InMemoryConnections>,
    clock: Arc<ManualClock>,
    pages: AtomicUsize,
    takes: Duration,
}

#[async_trait]
impl Standings for Slow {
    async fn list_standings(
        &self,
        tenant: Option<&TenantId>,
        limit: u32,
        from: Option<&str>,
    ) -> Result<StandingPage, StoreError> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.clock.advance(self.takes);
        // Others are let in between two pages.
        tokio::task::yield_now().await;
        self.connections.list_standings(tenant, limit, from).await
    }
}

fn slow(world: &World, takes: Duration) -> (Arc<Slow>, Tallies) {
    let slow = Arc::new(Slow {
        connections: world.connections.clone(),
        clock: world.clock.clone(),
        pages: AtomicUsize::new(0),
        takes,
    });
    (slow.clone(), Tallies { standings: slow, ..world.tallies() })
}

#[tokio::test]
async fn a_count_that_takes_too_long_goes_on_where_it_stopped_and_the_one_before_answers_meanwhile() {
    let (world, tenant) = (World::new(), sample::tenant());
    connect(&world, &tenant, 500).await;
    let (reads, tallies) = slow(&world, Duration::from_secs(4));

    // Three pages: two for the first caller, one for the second.
    let first = tallies.of(Some(&tenant)).await.unwrap();
    assert_eq!((first.as_of, first.tally.total, reads.pages.load(Ordering::Relaxed)), (None, 1600, 2));
    let began = sample::NOW;
    let second = tallies.of(Some(&tenant)).await.unwrap();
    assert_eq!((second.as_of, second.tally.total), (Some(began), 2000));
    assert_eq!(reads.pages.load(Ordering::Relaxed), 3);

    // It took 12 seconds, so it is good for 12 minutes.
    connect(&world, &tenant, 100).await;
    world.clock.advance(Duration::from_secs(719));
    assert_eq!(tallies.of(Some(&tenant)).await.unwrap(), second);
    assert_eq!(reads.pages.load(Ordering::Relaxed), 3);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        tallies.of(Some(&tenant)).await.unwrap(),
        second,
        "half a count is not told where there is a whole one"
    );
    assert_eq!(reads.pages.load(Ordering::Relaxed), 5);
    assert_eq!(tallies.of(Some(&tenant)).await.unwrap().tally.total, 2400);
}

#[tokio::test]
async fn a_part_that_nobody_went_on_with_for_long_is_begun_anew() {
    let (world, tenant) = (World::new(), sample::tenant());
    connect(&world, &tenant, 500).await;
    let (reads, tallies) = slow(&world, Duration::from_secs(4));
    tallies.of(Some(&tenant)).await.unwrap();

    world.clock.advance(Duration::from_hours(1));
    tallies.of(Some(&tenant)).await.unwrap();

    assert_eq!(reads.pages.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn of_two_who_ask_at_once_one_counts() {
    let (world, tenant) = (World::new(), sample::tenant());
    connect(&world, &tenant, 300).await;
    let (reads, tallies) = slow(&world, Duration::from_millis(10));

    let (one, two) = tokio::join!(tallies.of(Some(&tenant)), tallies.of(Some(&tenant)));

    assert_eq!(reads.pages.load(Ordering::Relaxed), 2);
    let whole = [one.unwrap(), two.unwrap()].map(|counted| counted.as_of.is_some());
    assert_eq!(whole.iter().filter(|whole| **whole).count(), 1, "the other does not wait");
    assert!(world.clock.now() > sample::NOW);
}
