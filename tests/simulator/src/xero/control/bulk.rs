//! Control of many objects at once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use jiff::Timestamp;

use super::super::{
    books::{Books, text},
    deliveries::{self, Change},
    resources::{self, Resource},
};
use crate::{
    bulk::{Bulk, Touched},
    control::{Body, ControlError},
    world::World,
};

/// Statuses of objects that nobody changes any more.
const ENDED: &[&str] = &["ARCHIVED", "DELETED", "VOIDED"];

/// Changes, deletes and voids objects of a kind in one moment, whatever their status is, and tells each of them.
pub(super) async fn change(
    State(world): State<Arc<World>>,
    Path((tenant, entity)): Path<(String, String)>,
    Body(bulk): Body<Bulk>,
) -> Result<Json<Touched>, ControlError> {
    let resource = resources::by_path(&entity).ok_or(ControlError::NotFound("entity"))?;
    let is_contact = resource.name == "Contacts";
    if (is_contact && bulk.delete > 0) || ((is_contact || !resource.paged) && bulk.void > 0) {
        return Err(ControlError::Invalid(format!("that is not done with {}", resource.name)));
    }
    let now = world.clock.now();
    let (touched, changes) = {
        let mut organizations = world.xero.organizations.lock();
        let organization = organizations.find_mut(&tenant).ok_or(ControlError::NotFound("organization"))?;
        let books = &mut organization.books;
        let there = books.records(resource).iter();
        let there = there.filter(|record| !ENDED.contains(&text(&record.body, resource.status)));
        let touched = bulk.choose(there.map(|record| record.id.clone()).collect())?;
        carry_out(books, resource, &touched, now);
        let written = books.keep();
        let changes: Vec<Change> =
            written.iter().filter_map(|written| Change::of(written, &tenant, books)).collect();
        (touched, changes)
    };
    world.xero.deliveries.notify(&world, &changes);
    deliveries::deliver_due(&world).await;
    Ok(Json(touched))
}

fn carry_out(books: &mut Books, resource: Resource, touched: &Touched, now: Timestamp) {
    let member = match resource.name {
        "Contacts" => "CompanyNumber",
        "Items" | "Accounts" => "Description",
        _ => "Reference",
    };
    let mut set = |ids: &[String], member: &str, value: &str| {
        for id in ids {
            let Some(mut body) = books.find(resource, id).map(|record| record.body.clone()) else { continue };
            body.insert(member.to_owned(), value.into());
            if member == resource.status && body.contains_key("AmountDue") {
                body.insert("AmountDue".to_owned(), 0.0.into());
            }
            books.put(resource, id, body, now);
        }
    };
    set(&touched.updated, member, &format!("Changed at {now}"));
    set(&touched.voided, resource.status, "VOIDED");
    if resource.paged {
        set(&touched.deleted, resource.status, "DELETED");
    } else {
        books.remove(resource, &touched.deleted);
    }
}
