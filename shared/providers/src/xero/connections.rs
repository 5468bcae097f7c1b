//! Xero's connections: which organizations a person has let our app into.

use std::time::Duration;

use domain::secret::AccessToken;
use reqwest::{
    Client,
    header::{ACCEPT, HeaderValue},
};
use serde::Deserialize;
use url::Url;

use crate::{
    http::OBJECT_BODY_MAX,
    oauth::{self, Answer, Lost},
};

/// The type of a connection to books; others (`PRACTICE`, `APPLICATION`) have none.
const ORGANISATION: &str = "ORGANISATION";
/// The longest id of a connection that is put into an address: a UUID has 36 characters.
const ID_MAX: usize = 64;

/// Xero's connections over HTTP.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    http: Client,
    url: Url,
}

/// A connection of one person and our app.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection {
    /// Its own id; another one whenever the organization is connected again.
    #[serde(default)]
    pub(super) id: Option<String>,
    /// The authorization that made it, or renewed it last.
    #[serde(default)]
    pub(super) auth_event_id: Option<String>,
    /// The organization.
    pub(super) tenant_id: String,
    #[serde(default)]
    tenant_type: Option<String>,
    /// The organization's name; may be missing for a moment.
    #[serde(default)]
    pub(super) tenant_name: Option<String>,
}

impl Connection {
    /// Whether it is to books.
    pub(super) fn is_organization(&self) -> bool {
        self.tenant_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case(ORGANISATION))
    }

    /// Its id as it can stand in an address.
    pub(super) fn safe_id(&self) -> Option<&str> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = |id: &&str| !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(is_safe);
        self.id.as_deref().filter(fits)
    }
}

impl Connections {
    pub(super) fn new(http: Client, url: Url) -> Self {
        Self { http, url }
    }

    /// Asks for all connections of the person whose token it is.
    pub(super) async fn list(&self, access: &AccessToken, timeout: Duration) -> Result<Answer, Lost> {
        let request = self
            .http
            .get(self.url.clone())
            .bearer_auth(access.expose())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .timeout(timeout);
        oauth::ask(request, OBJECT_BODY_MAX).await
    }

    /// Ends one connection, by an id that can stand in an address.
    pub(super) async fn delete(
        &self,
        access: &AccessToken,
        id: &str,
        timeout: Duration,
    ) -> Result<Answer, Lost> {
        let url = oauth::segments_below(&self.url, &[id]);
        let request = self.http.delete(url).bearer_auth(access.expose()).timeout(timeout);
        oauth::ask(request, OBJECT_BODY_MAX).await
    }
}
