//! The data centers: each has an accounts server and an API domain of its own, here under path prefixes.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, header, request::Parts},
};
use serde::{Deserialize, Serialize};

use crate::world::World;

/// A data center, by the name that Zoho's callback gives it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// The United States.
    Us,
    /// Europe.
    Eu,
    /// India.
    In,
    /// Australia.
    Au,
    /// Japan.
    Jp,
    /// Canada.
    Ca,
    /// Saudi Arabia.
    Sa,
    /// China, whose users sign up and sign in separately.
    Cn,
}

impl Location {
    /// The data centers that exist unless the settings say otherwise.
    pub(crate) const ALL: [Self; 8] =
        [Self::Us, Self::Eu, Self::In, Self::Au, Self::Jp, Self::Ca, Self::Sa, Self::Cn];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
            Self::In => "in",
            Self::Au => "au",
            Self::Jp => "jp",
            Self::Ca => "ca",
            Self::Sa => "sa",
            Self::Cn => "cn",
        }
    }

    /// Tells whether a sign-in at this accounts server reaches an account: Zoho forwards everywhere but to and from China.
    pub(crate) fn reaches(self, account: Self) -> bool {
        self == account || (self != Self::Cn && account != Self::Cn)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|location| location.name() == name)
    }
}

/// The address by which a client reaches the simulator; all addresses in answers begin with it.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    pub(crate) fn accounts_server(&self, location: Location) -> String {
        format!("{}/zoho/accounts/{}", self.0, location.name())
    }

    pub(crate) fn api_domain(&self, location: Location) -> String {
        format!("{}/zoho/api/{}", self.0, location.name())
    }

    /// Returns the host that belongs to no data center.
    pub(crate) fn foreign(&self) -> String {
        format!("{}/zoho/foreign", self.0)
    }
}

impl FromRequestParts<Arc<World>> for BaseUrl {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, Self::Rejection> {
        if let Some(base) = &world.zoho.settings.lock().base_url {
            return Ok(Self(base.trim_end_matches('/').to_owned()));
        }
        let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Ok(Self(format!("http://{}", host.unwrap_or("127.0.0.1"))))
    }
}

/// The data center that a request is addressed to; an address of one that does not exist is not found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Location);

impl FromRequestParts<Arc<World>> for At {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, Self::Rejection> {
        let Path(captured): Path<HashMap<String, String>> =
            Path::from_request_parts(parts, world).await.map_err(|_| StatusCode::NOT_FOUND)?;
        let location = captured.get("location").and_then(|name| Location::named(name));
        let location = location.ok_or(StatusCode::NOT_FOUND)?;
        let exists = world.zoho.settings.lock().locations.contains(&location);
        if exists { Ok(Self(location)) } else { Err(StatusCode::NOT_FOUND) }
    }
}
