//! What the tests of this package are made of: see the `harness` package, which knows the domain and nothing else.

pub use harness::*;
