//! What the three providers have in common as OAuth servers: asking, judging an answer, ending a grant.

mod answer;
mod ask;
mod issuer;
mod revocation;
mod token;

pub(crate) use answer::{BASE_APP_ERRORS, Dialect, ExpiresIn, Issued, Throttle, TokenAnswer};
pub(crate) use ask::{Answer, Lost, NotAsPromised, ask, segments_below};
pub use issuer::issuer_agrees;
pub use revocation::REVOCATION_TIME;
pub(crate) use revocation::{RevocationDialect, end, unavailable};
pub(crate) use token::{exchange_form, grant, refresh_form};
