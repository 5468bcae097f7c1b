//! The token endpoints of the providers that are configured, for whoever exchanges codes or refreshes.

use std::{collections::HashMap, sync::Arc};

use domain::{clock::Clock, provider::Provider, token::TokenEndpoint};
use providers::{
    http::Client, quickbooks::QuickBooksTokenEndpoint, xero::XeroTokenEndpoint, zoho::ZohoTokenEndpoint,
};

use crate::config::ProviderSettings;

/// Every token endpoint, over one client.
#[must_use]
pub fn token_endpoints(
    settings: &ProviderSettings,
    client: &Client,
    clock: &Arc<dyn Clock>,
) -> HashMap<Provider, Arc<dyn TokenEndpoint>> {
    let mut endpoints: HashMap<_, Arc<dyn TokenEndpoint>> = HashMap::new();
    if let Some(app) = settings.quickbooks.clone().map(Arc::new) {
        let endpoint = QuickBooksTokenEndpoint::new(client.clone(), app, clock.clone());
        endpoints.insert(Provider::QuickBooks, Arc::new(endpoint));
    }
    if let Some(app) = settings.xero.clone().map(Arc::new) {
        let endpoint = XeroTokenEndpoint::new(client.clone(), app, clock.clone());
        endpoints.insert(Provider::Xero, Arc::new(endpoint));
    }
    if let Some(app) = settings.zoho.clone().map(Arc::new) {
        let endpoint = ZohoTokenEndpoint::new(client.clone(), app, clock.clone());
        endpoints.insert(Provider::Zoho, Arc::new(endpoint));
    }
    endpoints
}
