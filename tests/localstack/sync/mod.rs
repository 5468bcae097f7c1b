//! The books, copied and kept up to date by the deployed functions, against what the providers have.

mod copies;
mod lanes;
