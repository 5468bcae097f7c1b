//! Noticing a subscription that is off: the books change, the catch-up finds it, and no webhook told of anything for a day.

use std::sync::Arc;

use jiff::Timestamp;

use super::Entity;
use crate::{
    clock::Clock,
    connection::ConnectionKey,
    event::{Event, EventBus, EventKind, announce},
    id::{CompanyId, ProviderCompanyId},
    provider::Provider,
    refresh::policy::later,
    store::{StoreError, chain},
    webhook::{SILENCE, Subscription, Subscriptions},
};

/// Watches the subscriptions.
pub struct SilenceWatch {
    /// When each was heard last.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl SilenceWatch {
    /// Whether the provider tells of changes of this kind by webhook, as far as it can be set up.
    #[must_use]
    pub fn is_told(provider: Provider, entity: Entity) -> bool {
        match provider {
            Provider::QuickBooks | Provider::Zoho => true,
            Provider::Xero => !matches!(entity, Entity::Accounts | Entity::Items),
        }
    }

    /// Looks at the subscription of a company in which only the catch-up found `records` changed, and reports it if it is
    /// silent. A failure to look is logged and no more: the next catch-up looks again.
    pub async fn missed(&self, key: &ConnectionKey, of: (Provider, &ProviderCompanyId), records: u64) {
        if let Err(error) = self.report(key, of, records).await {
            tracing::warn!(error = chain(&error), provider = of.0.as_str(), "Silence cannot be looked into");
        }
    }

    async fn report(
        &self,
        key: &ConnectionKey,
        (provider, company): (Provider, &ProviderCompanyId),
        records: u64,
    ) -> Result<(), StoreError> {
        let subscription = Subscription::of(provider, company);
        let now = self.clock.now();
        let heard_at = self.subscriptions.last_heard(&subscription).await?;
        if !is_silent(provider, heard_at, now) || !self.subscriptions.claim_report(&subscription, now).await?
        {
            return Ok(());
        }
        tracing::error!(
            provider = provider.as_str(),
            subscription = subscription.as_str(),
            heardAt = heard_at.map(|at| at.to_string()),
            records,
            "Webhooks are silent though books change: see that the subscription is on at the provider"
        );
        let mut event = match provider {
            Provider::Zoho => Event::new(EventKind::WebhookSilent, key, provider, now),
            Provider::QuickBooks | Provider::Xero => {
                Event::of_provider(EventKind::WebhookSilent, provider, now)
            }
        };
        event.company_id = event.key.is_some().then(|| CompanyId::of(provider, company));
        event.heard_at = heard_at;
        event.records = Some(records);
        announce(&*self.bus, &event).await;
        Ok(())
    }
}

/// Whether nothing came for long. An organization at Zoho that never sent anything need not have a webhook at all, since each
/// customer sets it up; the app's own subscription at the others belongs to running Ledgerbridge.
fn is_silent(provider: Provider, heard_at: Option<Timestamp>, now: Timestamp) -> bool {
    match heard_at {
        Some(heard_at) => later(heard_at, SILENCE) <= now,
        None => provider != Provider::Zoho,
    }
}
