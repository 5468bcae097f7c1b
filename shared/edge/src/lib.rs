#![doc = include_str!("../README.md")]

mod access;
mod address;
pub mod auth;
pub mod config;
mod endpoints;
pub mod http;
pub mod invocation;
mod limits;
pub mod live_secrets;
pub mod query;
pub mod schedule;
pub mod sqs;
pub mod start;
pub mod telemetry;

pub use access::access_tokens;
pub use address::public_url;
pub use endpoints::token_endpoints;
pub use limits::shared_limits;
