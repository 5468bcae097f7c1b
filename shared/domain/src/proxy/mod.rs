//! Calling a provider's API on behalf of a tenant's product: the product names a path below a company's root, and gets the
//! provider's own answer.
//!
//! What may be asked for is decided here, before anything is sent: a path cannot leave the company's root ([`ProxyPath`]),
//! and a request cannot name another company or another token ([`ProxyRequest`]). How it is sent is in [`Proxy`]; the same
//! question that is under way already is not sent again ([`Flights`]).

mod call;
mod flight;
mod path;
mod request;

pub use call::{Answered, Proxy, ProxyError, Target, Upstream, UpstreamCall, UpstreamError};
pub use flight::{Begun, FLIGHT_LIFE, FlightKey, Flights, LANDED_LIFE, Landed, SHARED_MAX};
pub use path::{PathError, ProxyPath};
pub use request::{
    InvalidRequestKey, Method, ProxyAnswer, ProxyRequest, Refused, RequestKey, UnknownMethod, parameters,
};
