//! Webhooks of all providers, through the deployed functions.

mod catch_up;
mod flood;
mod quickbooks;
mod refused;
mod thousands;
mod xero;
mod zoho;
