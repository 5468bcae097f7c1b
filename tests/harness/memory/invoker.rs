//! The `refresh` function without its function.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    refresh::{
        DisconnectAnswer, DisconnectMessage, RefreshAnswer, RefreshInvoker, RefreshMessage, Refresher,
        policy::later,
    },
    store::StoreError,
};

/// What the `refresh` function may take, as its timeout in the template.
const FUNCTION_LIFE: Duration = Duration::from_secs(75);

/// Refreshes and ends connections in the test's own process, one connection after the other.
pub struct InProcessRefresh(pub Arc<Refresher>);

#[async_trait]
impl RefreshInvoker for InProcessRefresh {
    async fn invoke(
        &self,
        message: &RefreshMessage,
        _wait: Duration,
    ) -> Result<Option<Vec<RefreshAnswer>>, StoreError> {
        let deadline = later(self.0.clock.now(), FUNCTION_LIFE);
        let mut answers = Vec::with_capacity(message.connections.len());
        for key in &message.connections {
            let report = self.0.refresh(key, message.reason, deadline).await?;
            answers.push(RefreshAnswer::from(&report));
        }
        Ok(Some(answers))
    }

    async fn disconnect(
        &self,
        message: &DisconnectMessage,
        _wait: Duration,
    ) -> Result<Option<DisconnectAnswer>, StoreError> {
        let deadline = later(self.0.clock.now(), FUNCTION_LIFE);
        self.0.disconnect(message, deadline).await.map(Some)
    }
}
