//! What the companies of connections and their routes keep.

use domain::{
    connection::{
        Company, ConnectOutcome, Connection, ConnectionKey, ConnectionStore, MAX_COMPANIES, NewConnection,
        PlacedCompany, Replaces, Route,
    },
    provider::Provider,
};

use super::connections::stored;
use crate::sample::{self, ids};

const PROVIDER: Provider = Provider::QuickBooks;

pub(super) async fn contract(store: &dyn ConnectionStore) {
    a_company_has_one_tenant_and_nothing_of_the_other_is_stored(store).await;
    a_company_has_one_connection_within_its_tenant(store).await;
    one_refused_company_keeps_all_others_out_too(store).await;
    as_many_companies_as_allowed_connect_and_move_at_once(store).await;
    a_company_moves_only_from_where_it_was_read(store).await;
    a_released_company_is_free_for_others_and_remembered_for_its_tenant(store).await;
    a_release_needs_the_route_to_be_ours_and_not_newer(store).await;
    a_shared_company_has_a_route_for_each_tenant(store).await;
    the_route_that_was_written_last_is_a_tenants(store).await;
    a_company_leaves_its_connection_and_keeps_its_route(store).await;
    a_company_that_came_with_a_newer_grant_stays(store).await;
}

/// A connection of these companies, to be stored for the first time.
fn of(key: &ConnectionKey, companies: Vec<PlacedCompany>) -> NewConnection {
    NewConnection { companies, ..sample::new_connection(sample::connection(key)) }
}

/// Another connection of the same tenant.
fn beside(key: &ConnectionKey) -> ConnectionKey {
    ConnectionKey { connection: ids().connection(), ..key.clone() }
}

fn taken_from(placed: &PlacedCompany, key: &ConnectionKey) -> PlacedCompany {
    PlacedCompany { from: Some(key.connection.clone()), ..placed.clone() }
}

async fn connect(store: &dyn ConnectionStore, new: &NewConnection) -> ConnectOutcome {
    store.connect(new).await.unwrap()
}

async fn routes(store: &dyn ConnectionStore, company: &PlacedCompany) -> Vec<Route> {
    let mut routes = store.find_routes(PROVIDER, &company.company.provider_id).await.unwrap();
    routes.sort_by(|a, b| a.key.cmp(&b.key));
    routes
}

fn route(key: &ConnectionKey, company: &PlacedCompany) -> Route {
    Route { key: key.clone(), company: company.company.id.clone(), released: false }
}

fn released(key: &ConnectionKey, company: &PlacedCompany) -> Route {
    Route { released: true, ..route(key, company) }
}

async fn a_company_has_one_tenant_and_nothing_of_the_other_is_stored(store: &dyn ConnectionStore) {
    let first = stored(store, sample::connection(&sample::key())).await;
    let second = of(&sample::key(), first.companies.clone());

    assert_eq!(connect(store, &second).await, ConnectOutcome::OwnedElsewhere);

    let key = &second.connection.key;
    assert_eq!(store.find(key).await.unwrap(), None);
    assert_eq!(store.list_companies(key).await.unwrap(), []);
    let company = &first.companies[0];
    assert_eq!(routes(store, company).await, [route(&first.connection.key, company)]);
    // Nor by claiming to take it from a connection that is not its tenant's own.
    let company = taken_from(company, &first.connection.key);
    let third = of(&sample::key(), vec![company]);
    assert_eq!(connect(store, &third).await, ConnectOutcome::OwnedElsewhere);
}

async fn a_company_has_one_connection_within_its_tenant(store: &dyn ConnectionStore) {
    let first = stored(store, sample::connection(&sample::key())).await;
    let second = of(&beside(&first.connection.key), first.companies.clone());

    assert_eq!(connect(store, &second).await, ConnectOutcome::Changed);

    assert_eq!(store.find(&second.connection.key).await.unwrap(), None);
}

async fn one_refused_company_keeps_all_others_out_too(store: &dyn ConnectionStore) {
    let theirs = stored(store, sample::connection(&sample::key())).await;
    let ours = stored(store, sample::connection(&sample::key())).await;
    let free = sample::placed(PROVIDER);
    let key = beside(&ours.connection.key);
    let taken = [ours.companies[0].clone(), free.clone(), theirs.companies[0].clone()];

    // Another tenant's company says more than one of our own that moved.
    assert_eq!(connect(store, &of(&key, taken.to_vec())).await, ConnectOutcome::OwnedElsewhere);

    assert_eq!(store.find(&key).await.unwrap(), None);
    assert_eq!(store.list_companies(&key).await.unwrap(), []);
    assert_eq!(routes(store, &free).await, []);
}

async fn as_many_companies_as_allowed_connect_and_move_at_once(store: &dyn ConnectionStore) {
    let companies: Vec<_> = (0..MAX_COMPANIES).map(|_| sample::placed(PROVIDER)).collect();
    let mut all: Vec<Company> = companies.iter().map(|placed| placed.company.clone()).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let old = of(&sample::key(), companies.clone());
    assert_eq!(connect(store, &old).await, ConnectOutcome::Stored);
    assert_eq!(store.list_companies(&old.connection.key).await.unwrap(), all);
    let moved = companies.iter().map(|placed| taken_from(placed, &old.connection.key)).collect();
    let new = of(&beside(&old.connection.key), moved);

    assert_eq!(connect(store, &new).await, ConnectOutcome::Stored);

    assert_eq!(store.list_companies(&new.connection.key).await.unwrap(), all);
    assert_eq!(store.list_companies(&old.connection.key).await.unwrap(), [], "it has them no longer");
    for company in &companies {
        assert_eq!(routes(store, company).await, [route(&new.connection.key, company)]);
    }
}

async fn a_company_moves_only_from_where_it_was_read(store: &dyn ConnectionStore) {
    let first = stored(store, sample::connection(&sample::key())).await;
    let (old, company) = (&first.connection.key, &first.companies[0]);
    let elsewhere = of(&beside(old), vec![taken_from(company, &beside(old))]);

    assert_eq!(connect(store, &elsewhere).await, ConnectOutcome::Changed);

    assert_eq!(store.list_companies(old).await.unwrap(), std::slice::from_ref(&company.company));
    // What is said to come from the connection itself stays there.
    let mut again = of(old, vec![taken_from(company, old)]);
    let Connection { fence, write_id, .. } = first.connection.clone();
    again.replaces = Some(Replaces { fence, write_id });
    assert_eq!(connect(store, &again).await, ConnectOutcome::Stored);
    assert_eq!(store.list_companies(old).await.unwrap(), std::slice::from_ref(&company.company));
}

async fn a_released_company_is_free_for_others_and_remembered_for_its_tenant(store: &dyn ConnectionStore) {
    let first = stored(store, sample::connection(&sample::key())).await;
    let (key, company) = (&first.connection.key, &first.companies[0]);
    let id = &company.company.provider_id;

    for again in ["once", "twice"] {
        store.release_route(key, (PROVIDER, id), first.connection.fence).await.unwrap();
        assert_eq!(routes(store, company).await, [released(key, company)], "{again}");
    }

    let same_tenant = beside(key);
    assert_eq!(connect(store, &of(&same_tenant, vec![company.clone()])).await, ConnectOutcome::Stored);
    assert_eq!(routes(store, company).await, [route(&same_tenant, company)], "no longer released");
    store.release_route(&same_tenant, (PROVIDER, id), first.connection.fence).await.unwrap();
    let other = of(&sample::key(), vec![company.clone()]);
    assert_eq!(connect(store, &other).await, ConnectOutcome::Stored);
    assert_eq!(routes(store, company).await, [route(&other.connection.key, company)]);
}

async fn a_release_needs_the_route_to_be_ours_and_not_newer(store: &dyn ConnectionStore) {
    for shared in [false, true] {
        let new = NewConnection { shared, ..of(&sample::key(), vec![sample::placed(PROVIDER)]) };
        assert_eq!(connect(store, &new).await, ConnectOutcome::Stored);
        let (key, fence, company) = (&new.connection.key, new.connection.fence, &new.companies[0]);
        let of = (PROVIDER, &company.company.provider_id);

        store.release_route(&sample::key(), of, fence).await.unwrap();
        store.release_route(&beside(key), of, fence).await.unwrap();
        store.release_route(key, of, fence - 1).await.unwrap();

        assert_eq!(routes(store, company).await, [route(key, company)]);
        store.release_route(key, of, fence + 1).await.unwrap();
        assert_eq!(routes(store, company).await, [released(key, company)]);
    }
    let nobodys = sample::placed(PROVIDER);
    store.release_route(&sample::key(), (PROVIDER, &nobodys.company.provider_id), 9).await.unwrap();
    assert_eq!(routes(store, &nobodys).await, [], "nothing is made up");
}

async fn a_shared_company_has_a_route_for_each_tenant(store: &dyn ConnectionStore) {
    let owner = stored(store, sample::connection(&sample::key())).await;
    let company = &owner.companies[0];
    let sharing = |key: &ConnectionKey| NewConnection { shared: true, ..of(key, vec![company.clone()]) };
    let second = sharing(&sample::key());

    assert_eq!(connect(store, &second).await, ConnectOutcome::Stored);

    let key = &second.connection.key;
    let mut both = vec![route(&owner.connection.key, company), route(key, company)];
    both.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(routes(store, company).await, both);
    // Within a tenant it still has one connection, which moves only as it was read.
    let third = sharing(&beside(key));
    assert_eq!(connect(store, &third).await, ConnectOutcome::Changed);
    let moved = NewConnection { companies: vec![taken_from(company, key)], ..sharing(&third.connection.key) };
    assert_eq!(connect(store, &moved).await, ConnectOutcome::Stored);
    store.release_route(&moved.connection.key, (PROVIDER, &company.company.provider_id), 9).await.unwrap();
    let found = routes(store, company).await;
    assert!(found.contains(&route(&owner.connection.key, company)), "one tenant's release is its own");
    assert!(found.contains(&released(&moved.connection.key, company)) && found.len() == 2);
}

async fn the_route_that_was_written_last_is_a_tenants(store: &dyn ConnectionStore) {
    for first_is_shared in [false, true] {
        let first =
            NewConnection { shared: first_is_shared, ..of(&sample::key(), vec![sample::placed(PROVIDER)]) };
        assert_eq!(connect(store, &first).await, ConnectOutcome::Stored);
        let (key, company) = (&first.connection.key, &first.companies[0]);
        // The setting changes, and the company moves.
        let moved = of(&beside(key), vec![taken_from(company, key)]);
        let moved = NewConnection { shared: !first_is_shared, ..moved };

        assert_eq!(connect(store, &moved).await, ConnectOutcome::Stored);

        assert_eq!(routes(store, company).await, [route(&moved.connection.key, company)]);
    }
}

async fn a_company_leaves_its_connection_and_keeps_its_route(store: &dyn ConnectionStore) {
    let companies = vec![sample::placed(PROVIDER), sample::placed(PROVIDER)];
    let new = of(&sample::key(), companies);
    assert_eq!(connect(store, &new).await, ConnectOutcome::Stored);
    let (key, [leaving, staying]) = (&new.connection.key, [&new.companies[0], &new.companies[1]]);

    for again in ["once", "twice"] {
        store.delete_company(key, &leaving.company.id, new.connection.fence).await.unwrap();
        let left = store.list_companies(key).await.unwrap();
        assert_eq!(left, std::slice::from_ref(&staying.company), "{again}");
    }

    assert_eq!(routes(store, leaving).await, [route(key, leaving)]);
    assert_eq!(store.find(key).await.unwrap().as_ref(), Some(&new.connection));
}

async fn a_company_that_came_with_a_newer_grant_stays(store: &dyn ConnectionStore) {
    let new = of(&sample::key(), vec![sample::placed(PROVIDER)]);
    assert_eq!(connect(store, &new).await, ConnectOutcome::Stored);
    let (key, company) = (&new.connection.key, &new.companies[0].company);

    store.delete_company(key, &company.id, new.connection.fence - 1).await.unwrap();

    assert_eq!(store.list_companies(key).await.unwrap(), std::slice::from_ref(company));
}
