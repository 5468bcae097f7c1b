//! One run: a storm of faults, hours of calm, and the reckoning.

use std::{sync::Arc, time::Duration};

use crate::{
    connect,
    executor::{ENVIRONMENT, Executor},
    plan::Plan,
    provider::ms,
    report::Report,
    traffic,
    world::World,
};

/// How much virtual time passes between two looks at what was done.
const STEP: Duration = Duration::from_hours(1);
/// How long nothing goes wrong before the reckoning: every retry, lease and message is over by then.
const CALM: Duration = Duration::from_hours(6);
/// How long the last look at every connection may take.
const RECKONING: Duration = Duration::from_mins(5);

/// Runs a plan; `progress` hears every virtual hour how many refreshes were done.
#[must_use]
pub fn run(plan: Plan, mut progress: impl FnMut(u64)) -> Report {
    let world = World::new(plan);
    let mut executor = Executor::new(world.time.clone());
    for connection in 0..world.plan.connections {
        connect::connect(&world, connection);
    }
    world.time.spawn(ENVIRONMENT, traffic::sweeps(world.clone()));
    world.time.spawn(ENVIRONMENT, traffic::customers(world.clone()));
    while world.cycles() < world.plan.cycles {
        executor.run_until(world.time.now_ms() + ms(STEP));
        progress(world.cycles());
    }
    world.faults.end();
    executor.run_until(world.time.now_ms() + ms(CALM));
    for connection in 0..world.plan.connections {
        world.time.spawn(ENVIRONMENT, reckon(world.clone(), connection));
    }
    executor.run_until(world.time.now_ms() + ms(RECKONING));
    reckoned(&world)
}

/// Counts a connection that does not work, although it should.
async fn reckon(world: Arc<World>, connection: usize) {
    let served = traffic::is_served(&world, connection).await;
    if !served || !connect::is_alive(&world, connection) {
        world.incident(connection, "does not work in the end");
        world.count(connection, |row| row.stuck += 1);
    }
}

fn reckoned(world: &Arc<World>) -> Report {
    // Workers and the world know each other.
    world.idle.lock().unwrap().clear();
    let hours = (world.time.now_ms() / ms(STEP)).unsigned_abs();
    let mut ledger = world.ledger();
    for connection in 0..world.plan.connections {
        ledger.digest = ledger.digest.rotate_left(7) ^ world.grants()[connection].newest().serial;
    }
    Report {
        plan: world.plan.clone(),
        rows: ledger.rows,
        totals: ledger.totals,
        hours,
        digest: ledger.digest,
        trace: std::mem::take(&mut ledger.trace),
        incidents: std::mem::take(&mut ledger.incidents),
    }
}
