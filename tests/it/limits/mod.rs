//! The providers' limits: many workers share them, nobody is throttled, and whoever waits for an answer goes first.

mod town;
mod turns;

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use domain::{
    clock::Clock,
    event::EventKind,
    id::ProviderCompanyId,
    limits::{
        Caller, DayTold, Gate, Heard, Held, HeldBy, Kind, Limits, PlanSettings, Plans, Purpose, Throttle,
        Throttled, UsageStore as _,
    },
    provider::Provider,
    refresh::policy::later,
};
use futures::future::join_all;
use jiff::tz::TimeZone;
use tests::{ManualClock, memory::InMemoryLimits, sample};
use town::Town;

/// How long a minute's requests count: by the clock with which a town begins, to the end of a grain and of the margin.
const ROUND: Duration = Duration::from_secs(66);

/// Reads fifty companies as fast as may be for some rounds, of which each minute has so many requests for background work.
async fn all_read(provider: Provider, (per_minute, rounds): (u64, u32)) {
    let duration = ROUND * rounds;
    let reckoning = Town::of(provider).await.read(duration).await;

    let answered = reckoning.answered.load(Ordering::Relaxed);
    let share = 50 * per_minute * duration.as_secs() / 60;
    let most = 50 * per_minute * duration.as_secs().div_ceil(60);
    assert_eq!(reckoning.throttled.load(Ordering::Relaxed), 0, "{reckoning:?}");
    assert_eq!(reckoning.otherwise.load(Ordering::Relaxed), 0, "{reckoning:?}");
    assert!(answered * 100 >= share * 85 && answered <= most, "{answered} of {share}, and {most} at most");
}

#[tokio::test]
async fn fifty_companies_of_quickbooks_are_read_as_fast_as_it_allows_and_no_faster() {
    all_read(Provider::QuickBooks, (400, 1)).await;
}

#[tokio::test]
async fn fifty_companies_of_xero_are_read_as_fast_as_it_allows_and_no_faster() {
    all_read(Provider::Xero, (48, 2)).await;
}

#[tokio::test]
async fn fifty_companies_of_zoho_are_read_as_fast_as_it_allows_and_no_faster() {
    all_read(Provider::Zoho, (80, 2)).await;
}

/// Workers over one table, with a clock that moves when one of them waits.
struct World {
    clock: Arc<ManualClock>,
    stores: InMemoryLimits,
    company: ProviderCompanyId,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(sample::NOW));
        Self { clock, stores: InMemoryLimits::default(), company: sample::provider_company() }
    }

    fn worker(&self, seed: u64) -> Arc<Limits> {
        self.worker_by(Plans::default(), seed)
    }

    fn worker_by(&self, plans: Plans, seed: u64) -> Arc<Limits> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.stores.worker(&clock, plans, seed)
    }

    fn caller(&self, provider: Provider, purpose: Purpose) -> Caller {
        Caller { tenant: sample::tenant(), provider, company: self.company.clone(), purpose }
    }

    fn background(&self, provider: Provider, seed: u64) -> Gate {
        self.worker(seed).gate(self.caller(provider, Purpose::Background))
    }
}

/// Sends so many requests, one after the other.
async fn send(gate: &Gate, requests: usize) {
    for request in 0..requests {
        let pass = gate.pass(Kind::Read).await;
        drop(pass.unwrap_or_else(|held| panic!("request {request}: {held}")));
        gate.heard(Heard { bytes: 100, ..Heard::default() }).await;
    }
}

async fn held(gate: &Gate) -> Held {
    gate.pass(Kind::Read).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn who_waits_for_an_answer_passes_where_background_work_used_its_share() {
    let world = World::new();
    let background = world.background(Provider::Xero, 1);
    send(&background, 48).await;

    let until = held(&background).await.until;
    let others = world.background(Provider::Xero, 2);
    assert_eq!(held(&others).await, Held { until, by: HeldBy::Budget }, "all workers share it");
    for purpose in [Purpose::Interactive, Purpose::Webhook] {
        send(&world.worker(3).gate(world.caller(Provider::Xero, purpose)), 6).await;
    }
    let interactive = world.worker(4).gate(world.caller(Provider::Xero, Purpose::Interactive));
    assert_eq!(held(&interactive).await.by, HeldBy::Budget, "the minute is used up");

    world.clock.advance(until.duration_since(world.clock.now()).try_into().unwrap());
    send(&background, 1).await;
}

#[tokio::test]
async fn a_worker_that_dies_keeps_nobody_out_for_longer_than_a_minute() {
    let world = World::new();
    let (dies, lives) = (world.background(Provider::Zoho, 1), world.background(Provider::Zoho, 2));
    let passes: Vec<_> = join_all((0..4).map(|_| dies.pass(Kind::Read))).await;
    assert!(passes.iter().all(Result::is_ok));
    drop(passes);
    drop(dies);
    let died_at = world.clock.now();

    while let Err(held) = lives.pass(Kind::Read).await.map(drop) {
        assert_eq!(held.by, HeldBy::Budget);
        world.clock.advance(Duration::from_secs(1));
    }

    let waited = world.clock.now().duration_since(died_at);
    assert!((30..=61).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn requests_side_by_side_wait_for_each_other_where_no_more_may_be_under_way() {
    let world = World::new();
    let gate = world.background(Provider::Xero, 1);
    let first: Vec<_> = join_all((0..4).map(|_| gate.pass(Kind::Read))).await;
    let mut fifth = Box::pin(gate.pass(Kind::Read));
    assert!(futures::poll!(&mut fifth).is_pending());

    drop(first);

    assert!(fifth.await.is_ok());
}

#[tokio::test]
async fn a_storm_of_throttles_stops_everybody_and_ends() {
    let world = World::new();
    let gates: Vec<_> = (1..=5).map(|seed| world.background(Provider::QuickBooks, seed)).collect();
    let interactive = world.worker(9).gate(world.caller(Provider::QuickBooks, Purpose::Interactive));
    send(&interactive, 1).await;
    for gate in &gates {
        let wait = Duration::from_mins(1);
        drop(gate.pass(Kind::Read).await.unwrap());
        let throttled = Some(Throttled { wait, whom: Throttle::Company });
        gate.heard(Heard { throttled, ..Heard::default() }).await;
        let until = later(world.clock.now(), wait);

        for gate in gates.iter().chain([&interactive]) {
            assert_eq!(held(gate).await, Held { until, by: HeldBy::Throttle });
        }
        world.clock.advance(Duration::from_mins(1));
    }
    for gate in gates.iter().chain([&interactive]) {
        send(gate, 1).await;
    }
}

#[tokio::test]
async fn a_throttle_of_the_app_stops_every_company_and_one_of_a_company_no_other() {
    let world = World::new();
    let gate = world.background(Provider::Xero, 1);
    let neighbour = World { company: sample::provider_company(), ..world };
    let beside = neighbour.background(Provider::Xero, 2);
    let hears = async |whom| {
        let throttled = Some(Throttled { wait: Duration::from_secs(40), whom });
        gate.heard(Heard { throttled, ..Heard::default() }).await;
    };
    send(&gate, 1).await;

    hears(Throttle::Company).await;
    assert_eq!(held(&gate).await.by, HeldBy::Throttle);
    send(&beside, 1).await;

    hears(Throttle::App).await;
    assert_eq!(held(&beside).await.by, HeldBy::Throttle);
    neighbour.clock.advance(Duration::from_secs(41));
    send(&beside, 1).await;
}

#[tokio::test]
async fn a_day_that_is_used_up_holds_everybody_until_the_next() {
    let world = World::new();
    let gate = world.background(Provider::Zoho, 1);
    send(&gate, 1).await;
    let day = DayTold { limit: Some(5000), left: 900, ends_in: Some(Duration::from_hours(3)) };
    gate.heard(Heard { day: Some(day), ..Heard::default() }).await;

    let ends_at = later(world.clock.now(), Duration::from_hours(3));
    assert_eq!(held(&gate).await, Held { until: ends_at, by: HeldBy::Budget }, "a fifth is for others");
    let interactive = world.worker(2).gate(world.caller(Provider::Zoho, Purpose::Interactive));
    send(&interactive, 1).await;
    interactive
        .heard(Heard {
            throttled: Some(Throttled { wait: Duration::from_hours(3), whom: Throttle::Day }),
            ..Heard::default()
        })
        .await;
    assert_eq!(held(&interactive).await.by, HeldBy::Throttle);

    world.clock.advance(Duration::from_hours(3));
    send(&gate, 80).await;
}

#[tokio::test]
async fn a_month_of_reads_is_not_exceeded_by_all_companies_together() {
    let world = World::new();
    let plans = Plans::new(PlanSettings { quickbooks_monthly_reads: 100, ..PlanSettings::default() });
    let mut sent = 0;
    for seed in 1..=20 {
        let company = sample::provider_company();
        let caller = Caller { company, ..world.caller(Provider::QuickBooks, Purpose::Background) };
        let gate = world.worker_by(plans.clone(), seed).gate(caller);
        for _ in 0..5 {
            sent += usize::from(gate.pass(Kind::Read).await.is_ok());
        }
        gate.close().await;
    }

    assert_eq!(sent, 80, "what a worker took and did not use came back");
    let gate = world.worker_by(plans, 50).gate(world.caller(Provider::QuickBooks, Purpose::Background));
    assert!(gate.pass(Kind::Write).await.is_ok(), "writes are not metered");
    assert_eq!(held(&gate).await.by, HeldBy::Budget);
}

#[tokio::test]
async fn a_walk_costs_one_write_a_page_and_little_more() {
    let world = World::new();
    let gate = world.background(Provider::QuickBooks, 1);
    send(&gate, 40).await;
    gate.close().await;

    // Of the company 1 read, 40 writes and 1 at the end; of the app 1 read, blocks of 1, 2, 4, 8, 16 and 20, and what is left.
    assert_eq!(world.stores.budgets.calls(), 42 + 8);
}

#[tokio::test]
async fn nothing_is_sent_while_the_table_does_not_answer() {
    let world = World::new();
    let gate = world.background(Provider::Xero, 1);
    world.stores.budgets.set_down(true);

    let until = later(world.clock.now(), Duration::from_secs(30));
    assert_eq!(held(&gate).await, Held { until, by: HeldBy::Store });

    world.stores.budgets.set_down(false);
    send(&gate, 1).await;
}

#[tokio::test]
async fn a_data_api_that_fails_for_two_companies_is_left_in_peace_and_tried_by_one() {
    let world = World::new();
    let fails = async |gate: &Gate| {
        drop(gate.pass(Kind::Read).await.unwrap());
        gate.heard(Heard { failed: true, ..Heard::default() }).await;
    };
    let gate = world.background(Provider::Xero, 1);
    for _ in 0..9 {
        fails(&gate).await;
    }
    send(&world.background(Provider::Xero, 2), 1).await;
    let neighbour = World { company: sample::provider_company(), ..world };
    let beside = neighbour.worker(1).gate(neighbour.caller(Provider::Xero, Purpose::Interactive));
    for gate in [&gate, &beside, &gate] {
        neighbour.clock.advance(Duration::from_secs(6));
        fails(gate).await;
    }

    let open = held(&beside).await;
    assert_eq!(open.by, HeldBy::Breaker);
    assert_eq!(held(&gate).await, open);
    send(&neighbour.background(Provider::QuickBooks, 3), 1).await;
    let told = neighbour.stores.bus.take();
    assert_eq!(
        told.iter().map(|event| (event.kind, event.endpoint)).collect::<Vec<_>>(),
        [(EventKind::CircuitBreakerOpened, Some("books"))]
    );

    neighbour.clock.advance(Duration::from_mins(1));
    let probe = gate.pass(Kind::Read).await.unwrap();
    assert_eq!(held(&beside).await.by, HeldBy::Breaker, "one tries");
    drop(probe);
    gate.heard(Heard::default()).await;
    neighbour.clock.advance(Duration::from_secs(6));
    send(&beside, 1).await;
}

#[tokio::test]
async fn what_a_tenant_used_is_metered_when_its_work_ends() {
    let world = World::new();
    let caller = world.caller(Provider::QuickBooks, Purpose::Webhook);
    let gate = world.worker(1).gate(caller.clone());
    send(&gate, 3).await;
    let today = world.clock.now().to_zoned(TimeZone::UTC).date();
    let used = async || world.stores.usage.list(&caller.tenant, (today, today)).await.unwrap();
    assert!(used().await.is_empty());

    gate.close().await;
    gate.close().await;

    let [(day, provider, usage)] = used().await[..] else { panic!("one day, one provider") };
    assert_eq!((day, provider, usage.calls, usage.bytes), (today, Provider::QuickBooks, 3, 300));
}
