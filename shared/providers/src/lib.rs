#![doc = include_str!("../README.md")]

mod company;
pub mod http;
mod ledger;
mod oauth;
pub mod proxy;
pub mod quickbooks;
pub mod scopes;
pub mod settings;
pub mod xero;
pub mod zoho;

pub use ledger::{heard_of, kind};
pub use oauth::{REVOCATION_TIME, issuer_agrees};
