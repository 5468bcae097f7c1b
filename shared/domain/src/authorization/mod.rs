//! Connecting: from the one-time link to the stored connection.

mod begin;
mod complete;
mod store;

pub use begin::{BeginError, Begun, SESSION_LIFE, STATE_LIFE, SessionRequest, begin, open_session};
pub use complete::{Callback, CallbackAnswer, Companies, CompanyError, CompleteError, Completed, Connector};
pub use store::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome, hash};
