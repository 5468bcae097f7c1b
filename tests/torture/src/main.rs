//! Tortures the refresh engine.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the story is told on the terminal")]

use clap::Parser;
use torture::{FaultKind, Flaw, Plan, Report, run};

fn main() {
    let mut a = std::env::args().skip(1);
    let seed = a.next().unwrap().parse().unwrap();
    let cycles = a.next().unwrap().parse().unwrap();
    let mut plan = Plan::new(seed, cycles);
    if let Some(x) = a.next() {
        if x == "none" {
            plan.faults = vec![];
        } else {
            plan.trace = x.parse().ok();
        }
    }
    if let Some(x) = a.next() { plan.strain = x.parse().unwrap(); }
    if let Some(x) = a.next() { plan.flaw = <Flaw as clap::ValueEnum>::from_str(&x, true).ok(); }
    let t = std::time::Instant::now();
    let r = run(plan, |_| {});
    for l in &r.trace {
        println!("{l}");
    }
    for (c, l) in &r.incidents {
        println!("!{c} {l}");
    }
    println!("{r}\n{:?} {:?}", r.failures(), t.elapsed());
}
