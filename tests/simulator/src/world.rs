//! Everything that one running simulator knows.

use crate::{
    calls::CallLog,
    chance::{Chance, EntropyError},
    clock::VirtualClock,
    faults::Faults,
    intuit::{self, Intuit},
    issued::Issued,
    options::Options,
    outbound::{self, ClientError},
    xero::{self, Xero},
    zoho::{self, Zoho},
};

/// The shared rooms and the providers.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) chance: Chance,
    pub(crate) calls: CallLog,
    pub(crate) faults: Faults,
    pub(crate) issued: Issued,
    pub(crate) client: reqwest::Client,
    pub(crate) intuit: Intuit,
    pub(crate) xero: Xero,
    pub(crate) zoho: Zoho,
    options: Options,
}

/// A world could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl World {
    pub(crate) fn new(options: Options) -> Result<Self, WorldError> {
        let clock = VirtualClock::default();
        let chance = Chance::new(options.seed)?;
        let intuit = Intuit::new(&options.intuit, clock.now());
        let xero = Xero::new(&options.xero, clock.now());
        let zoho = Zoho::new(&options.zoho, clock.now());
        Ok(Self {
            clock,
            chance,
            calls: CallLog::default(),
            faults: Faults::default(),
            issued: Issued::default(),
            client: outbound::client()?,
            intuit,
            xero,
            zoho,
            options,
        })
    }

    /// Attempts every webhook that is due by the virtual clock.
    pub(crate) async fn deliver_due(&self) {
        intuit::deliver_due(self).await;
        xero::deliver_due(self).await;
        zoho::deliver(self).await;
    }

    /// Goes back to how everything was at the start, except for the random values.
    pub(crate) fn reset(&self) {
        self.clock.reset();
        self.calls.reset();
        self.faults.clear(None);
        self.issued.reset();
        self.intuit.reset(&self.options.intuit, self.clock.now());
        self.xero.reset(&self.options.xero, self.clock.now());
        self.zoho.reset(&self.options.zoho, self.clock.now());
    }
}
