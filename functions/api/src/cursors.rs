//! The cursors of every list: sealed on their way out, opened on their way in, and of use for the one list that they are of.
//!
//! What a store calls a cursor says only where to go on. Its holder gets it with a proof that binds it to the deployment, to
//! the list, and to all that decides what is in the list and in which order.

use std::sync::Arc;

use domain::{
    cursor::{CursorKey, CursorKeyStore},
    entropy::Entropy,
    store::StoreError,
};
use edge::{http::ApiError, query::Query};
use tokio::sync::OnceCell;

use crate::call::Refusal;

/// The cursors of a deployment.
pub struct Cursors {
    keys: Arc<dyn CursorKeyStore>,
    environment: String,
    entropy: Arc<dyn Entropy>,
    /// Read when it is needed first, and kept for as long as the process lives: it never changes.
    key: OnceCell<CursorKey>,
}

/// A list, by all that tells it from others.
pub(crate) struct List(Vec<String>);

impl List {
    /// The list that a route gives.
    pub(crate) fn of(route: &str) -> Self {
        Self(vec![route.to_owned()])
    }

    /// Of those things only of which this holds; what is left out is told from all that can be there.
    pub(crate) fn with(mut self, filter: &str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| format!("{filter}={value}")));
        self
    }
}

impl Cursors {
    /// The cursors of the deployment of this name, proven with the key that is kept there.
    pub fn new(keys: Arc<dyn CursorKeyStore>, environment: String, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys, environment, entropy, key: OnceCell::new() }
    }

    /// The store's cursor in a request's `cursor`, which must be of this list; none where the list begins.
    pub(crate) async fn open(&self, list: &List, query: &Query) -> Result<Option<String>, Refusal> {
        let Some(sealed) = query.get("cursor") else { return Ok(None) };
        let opened = self.key().await?.open(&self.binding(list), sealed);
        let foreign = || ApiError::invalid("cursor", "send a cursor as nextCursor of the same list gave it");
        opened.map(Some).ok_or_else(|| foreign().into())
    }

    /// The store's cursor as it is given out.
    pub(crate) async fn seal(&self, list: &List, next: Option<String>) -> Result<Option<String>, Refusal> {
        let Some(next) = next else { return Ok(None) };
        Ok(Some(self.key().await?.seal(&self.binding(list), &next)))
    }

    async fn key(&self) -> Result<&CursorKey, StoreError> {
        let made = async || self.keys.find_or_insert(&CursorKey::new(&*self.entropy)).await;
        self.key.get_or_try_init(made).await
    }

    fn binding(&self, list: &List) -> Vec<String> {
        std::iter::once(&self.environment).chain(&list.0).cloned().collect()
    }
}
