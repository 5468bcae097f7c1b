//! Routes in memory.

use std::collections::{BTreeMap, HashMap};

use domain::{
    connection::{ConnectionKey, NewConnection, PlacedCompany, Route},
    id::{ProviderCompanyId, TenantId},
    provider::Provider,
};

/// The routes of every company: one of its owner, and one of each tenant that shares it.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<(Provider, ProviderCompanyId), BTreeMap<Option<TenantId>, Written>>);

#[derive(Debug)]
struct Written {
    route: Route,
    fence: u64,
    write_id: String,
}

fn place(new: &NewConnection) -> Option<TenantId> {
    new.shared.then(|| new.connection.key.tenant.clone())
}

impl Routes {
    /// The routes that keep their companies from a new connection.
    pub(super) fn refused(&self, new: &NewConnection) -> Vec<&Route> {
        let key = &new.connection.key;
        let stands = |placed: &PlacedCompany| {
            let routes = self.0.get(&(new.connection.provider, placed.company.provider_id.clone()))?;
            let route = &routes.get(&place(new))?.route;
            let connection = &route.key.connection;
            let is_known = *connection == key.connection || Some(connection) == placed.from.as_ref();
            let is_free = route.released || (is_known && route.key.tenant == key.tenant);
            (!is_free).then_some(route)
        };
        new.companies.iter().filter_map(stands).collect()
    }

    /// Points the routes of its companies to a new connection.
    pub(super) fn put(&mut self, new: &NewConnection) {
        let NewConnection { connection, companies, .. } = new;
        for PlacedCompany { company, .. } in companies {
            let route = Route { key: connection.key.clone(), company: company.id.clone(), released: false };
            let (fence, write_id) = (connection.fence, connection.write_id.clone());
            let routes = self.0.entry((connection.provider, company.provider_id.clone())).or_default();
            routes.insert(place(new), Written { route, fence, write_id });
        }
    }

    /// The routes of a company, the latest of each tenant.
    pub(super) fn of(&self, provider: Provider, company: &ProviderCompanyId) -> Vec<Route> {
        let routes = self.0.get(&(provider, company.clone())).into_iter().flat_map(BTreeMap::values);
        let mut latest: BTreeMap<&TenantId, &Written> = BTreeMap::new();
        for written in routes {
            let known = latest.entry(&written.route.key.tenant).or_insert(written);
            if known.write_id < written.write_id {
                *known = written;
            }
        }
        latest.into_values().map(|written| written.route.clone()).collect()
    }

    /// Forgets the routes to `key`.
    pub(super) fn forget(&mut self, key: &ConnectionKey) {
        for routes in self.0.values_mut() {
            routes.retain(|_, written| written.route.key != *key);
        }
    }

    /// Releases the routes to `key` that were written with no greater fence.
    pub(super) fn release(
        &mut self,
        key: &ConnectionKey,
        (provider, company): (Provider, &ProviderCompanyId),
        fence: u64,
    ) {
        let routes = self.0.get_mut(&(provider, company.clone())).into_iter().flat_map(BTreeMap::values_mut);
        for written in routes.filter(|written| written.route.key == *key && written.fence <= fence) {
            written.route.released = true;
        }
    }
}
