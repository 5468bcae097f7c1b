//! The provider simulator as a library: `Simulator::start(options)` serves it in this process.
#![doc = include_str!("../README.md")]

mod apps;
mod bulk;
mod calls;
mod chance;
mod clock;
mod consent;
mod control;
mod faults;
mod guarded;
mod intuit;
mod issued;
mod kept;
mod oauth;
mod options;
mod outbound;
mod pkce;
mod provider;
mod server;
mod signing;
mod timeline;
mod traffic;
mod window;
mod wire;
mod world;
mod xero;
mod zoho;

pub use chance::EntropyError;
pub use options::{AppOptions, CompanyOptions, ConsentMode, IntuitOptions, Options};
pub use outbound::ClientError;
pub use server::{Simulator, StartError};
pub use xero::{XeroOptions, XeroOrganizationOptions, XeroUserOptions};
pub use zoho::{Location, ZohoAppOptions, ZohoOptions, ZohoOrganizationOptions, ZohoUserOptions};
