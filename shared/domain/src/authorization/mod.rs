//! Connecting: from the one-time link to the stored connection.

mod begin;
mod companies;
mod complete;
mod pkce;
mod place;
mod placement;
mod store;

pub use begin::{
    AuthorizationEndpoint, BeginError, Begun, RequestBuilder, SESSION_LIFE, STATE_LIFE, SessionRequest,
    begin, open_session,
};
pub use companies::{Companies, CompanyError, GrantedCompanies, NewGrant};
pub use complete::{
    AuthorizationServer, Callback, CallbackAnswer, CompleteError, Completed, ConnectFailure, Connector,
};
pub(crate) use place::{STORE_TRIES, changed_each_time};
pub use placement::Placer;
pub(crate) use placement::{Grant, Over, PlaceFailure, Placed, Wanted};
pub use store::{AuthorizationRequest, AuthorizationStore, ConnectSession, ConsumeOutcome, hash};
