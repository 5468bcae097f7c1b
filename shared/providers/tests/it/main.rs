//! The provider adapters over real sockets: against scripted bytes, and against the simulator.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod books;
mod companies;
mod ledger;
mod quickbooks;
mod refusals;
mod responder;
mod revocation;
mod simulator;
mod support;
mod token_endpoint;
mod xero;
mod zoho;
