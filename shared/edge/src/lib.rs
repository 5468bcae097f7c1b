#![doc = include_str!("../README.md")]

pub mod auth;
pub mod config;
pub mod http;
pub mod invocation;
pub mod sqs;
pub mod telemetry;
