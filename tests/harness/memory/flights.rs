//! Requests under way, in memory.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use domain::{
    proxy::{Begun, FlightKey, Flights, Landed, ProxyAnswer},
    store::StoreError,
};
use jiff::Timestamp;

/// Requests under way, in memory.
#[derive(Debug, Default)]
pub struct InMemoryFlights(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    flights: HashMap<FlightKey, Flight>,
    landed: HashMap<(FlightKey, String), Landed>,
}

#[derive(Debug)]
struct Flight {
    name: String,
    until: Timestamp,
    is_wanted: bool,
}

impl InMemoryFlights {
    /// How many flights are under way that somebody else waits for.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.0.lock().unwrap().flights.values().filter(|flight| flight.is_wanted).count()
    }
}

#[async_trait]
impl Flights for InMemoryFlights {
    async fn begin(
        &self,
        key: &FlightKey,
        name: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Begun, StoreError> {
        let mut known = self.0.lock().unwrap();
        let under_way = known.flights.get_mut(key);
        if let Some(flight) = under_way.filter(|flight| flight.until > now && flight.name != name) {
            flight.is_wanted = true;
            return Ok(Begun::Theirs { name: flight.name.clone() });
        }
        known.flights.insert(key.clone(), Flight { name: name.to_owned(), until, is_wanted: false });
        Ok(Begun::Mine)
    }

    async fn land(
        &self,
        key: &FlightKey,
        (name, answer): (&str, Option<&ProxyAnswer>),
        _until: Timestamp,
    ) -> Result<(), StoreError> {
        let mut known = self.0.lock().unwrap();
        let is_mine = known.flights.get(key).is_some_and(|flight| flight.name == name);
        let ended = if is_mine { known.flights.remove(key) } else { None };
        if ended.is_none_or(|flight| flight.is_wanted) {
            known.landed.insert((key.clone(), name.to_owned()), Landed { answer: answer.cloned() });
        }
        Ok(())
    }

    async fn find(&self, key: &FlightKey, name: &str) -> Result<Option<Landed>, StoreError> {
        Ok(self.0.lock().unwrap().landed.get(&(key.clone(), name.to_owned())).cloned())
    }
}
