#![doc = include_str!("../README.md")]

pub mod http;
pub mod quickbooks;
pub mod settings;
