//! Where the sweep finds a connection: at a time, or in a slot of a wheel that turns for ever.

use std::fmt;

use jiff::Timestamp;

use crate::{id::ConnectionId, provider::Provider};

/// When the sweep looks at a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Once, at this time: a retry, a keep-alive, or the end of a connection.
    At(Timestamp),
    /// Once in each turn of a wheel. Nothing is written when the sweep comes by, nor when a refresh succeeds: a connection
    /// that is kept warm stays in its slot, and the index is left alone.
    Slot(Slot),
}

/// One minute of a wheel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slot {
    /// In how many minutes the wheel turns once; one of [`WHEELS`].
    pub period: u16,
    /// The minute within a turn, below `period`.
    pub minute: u16,
}

/// The wheels, by the minutes of a turn, slowest first. A token that lives an hour and is led by 20 minutes fits the wheel
/// of 40, one of half an hour that of 20; each more would be one more query a minute and provider.
pub const WHEELS: [u16; 6] = [50, 40, 30, 20, 15, 10];

impl Slot {
    /// The slot for life of a connection in a wheel.
    #[must_use]
    pub fn of(connection: &ConnectionId, period: u16) -> Self {
        let minute = u16::try_from(spread(connection, u32::from(period))).unwrap_or_default();
        Self { period, minute }
    }

    /// The slot of a wheel that is passed in a minute since 1970.
    #[must_use]
    pub fn at(period: u16, minute: i64) -> Self {
        let minute = u16::try_from(minute.rem_euclid(i64::from(period.max(1)))).unwrap_or_default();
        Self { period, minute }
    }
}

/// A partition of the index of due connections. The provider is part of it, so that the sweep can pass over one whose
/// breaker is open without reading, let alone writing, anything of its connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DuePartition {
    /// Connections with a time of their own, in one of several shards.
    Timed {
        /// Their provider.
        provider: Provider,
        /// The shard.
        shard: u32,
    },
    /// Connections in one slot.
    Slot {
        /// Their provider.
        provider: Provider,
        /// The slot.
        slot: Slot,
    },
}

impl DuePartition {
    /// The partition of one connection, in an index of `shards` shards.
    #[must_use]
    pub fn of(provider: Provider, connection: &ConnectionId, due: Due, shards: u32) -> Self {
        match due {
            Due::At(_) => Self::Timed { provider, shard: spread(connection, shards) },
            Due::Slot(slot) => Self::Slot { provider, slot },
        }
    }
}

impl fmt::Display for DuePartition {
    /// The partition's key: `T#xero#3`, or `S#xero#20#7` for minute 7 of the wheel of 20.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timed { provider, shard } => write!(f, "T#{provider}#{shard}"),
            Self::Slot { provider, slot } => write!(f, "S#{provider}#{}#{}", slot.period, slot.minute),
        }
    }
}

/// Spreads connections over `places`, the same way in every build and on every machine (FNV-1a, 32 bits).
fn spread(connection: &ConnectionId, places: u32) -> u32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    connection.as_str().bytes().fold(0x811c_9dc5, mix) % places.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn connection(number: u32) -> ConnectionId {
        format!("conn_{number}").parse().unwrap()
    }

    #[test]
    fn connections_spread_evenly_over_the_slots_of_a_wheel() {
        let mut slots = BTreeMap::<u16, usize>::new();
        for number in 0..40_000 {
            *slots.entry(Slot::of(&connection(number), 40).minute).or_default() += 1;
        }

        assert_eq!(slots.len(), 40);
        assert!(slots.values().all(|&count| (800..1200).contains(&count)), "{slots:?}");
    }

    #[test]
    fn a_wheel_passes_each_of_its_slots_once_in_a_turn() {
        let passed: std::collections::BTreeSet<_> =
            (1_000_000..1_000_020).map(|minute| Slot::at(20, minute).minute).collect();

        assert_eq!(passed.len(), 20);
    }

    #[test]
    fn partitions_are_named_by_provider_and_place() {
        let timed = DuePartition::Timed { provider: Provider::Xero, shard: 3 };
        let slot = DuePartition::Slot { provider: Provider::Xero, slot: Slot { period: 20, minute: 7 } };

        assert_eq!((timed.to_string(), slot.to_string()), ("T#xero#3".to_owned(), "S#xero#20#7".to_owned()));
    }
}
