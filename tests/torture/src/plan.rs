//! What is to be run.

use clap::ValueEnum;

use crate::faults::FaultKind;

/// What is to be run: the same plan always tells the same story.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// From which everything follows that is left to chance.
    pub seed: u64,
    /// Refreshes after which the calm begins.
    pub cycles: u64,
    /// Connections, a quarter of each kind of provider.
    pub connections: usize,
    /// Workers at once.
    pub workers: usize,
    /// What goes wrong.
    pub faults: Vec<FaultKind>,
    /// How much more often than usual.
    pub strain: f64,
    /// What is broken on purpose, to see whether it is noticed.
    pub flaw: Option<Flaw>,
    /// Whether every connection is kept warm, not only those that are used.
    pub always_warm: bool,
    /// The connection whose story is kept.
    pub trace: Option<usize>,
}

/// Something that the engine relies on, taken away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Flaw {
    /// Workers go by their own clocks.
    UncorrectedClocks,
    /// The providers with a grace give none.
    NoGrace,
    /// The table takes settlements under any fence.
    IgnoredFence,
    /// The recovery queue loses what it is given.
    LostRecovery,
}

impl Plan {
    /// Every fault at its usual rate, on some hundreds of connections.
    #[must_use]
    pub fn new(seed: u64, cycles: u64) -> Self {
        Self {
            seed,
            cycles,
            connections: 320,
            workers: 2 + usize::try_from(seed % 6).unwrap_or_default(),
            faults: FaultKind::value_variants().to_vec(),
            strain: 1.0,
            flaw: None,
            always_warm: seed.is_multiple_of(3),
            trace: None,
        }
    }
}
