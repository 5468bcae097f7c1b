//! Creating, changing and deleting records, with the checks that a client can run into.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    answers::ApiFault,
    organizations::Organization,
    resources::{self, Resource},
};
use crate::world::World;

type Members = Map<String, Value>;

/// What is to be done.
pub(crate) enum Write<'a> {
    Create(Members),
    Update(&'a str, Members),
    Delete(&'a str),
    /// Sets a status, such as `void`.
    Mark(&'a str, &'a str),
}

/// What was done.
pub(crate) struct Written {
    pub(crate) event: &'static str,
    pub(crate) message: String,
    /// The record as it is now, or as it was before it was deleted.
    pub(crate) record: Members,
}

/// Carries out a write in an organization, and tells its webhooks.
pub(crate) fn carry_out(
    world: &World,
    organization_id: &str,
    (resource, write): (&'static Resource, Write<'_>),
) -> Result<Written, ApiFault> {
    let encoding = world.zoho.settings.lock().webhook_encoding;
    let mut organizations = world.zoho.organizations.lock();
    let organization = organizations.find_mut(organization_id);
    let organization = organization.ok_or_else(|| ApiFault::foreign_organization(organization_id))?;
    let written = run(organization, resource, write, world.clock.now())?;
    let told = (organization_id, &organization.webhooks[..]);
    world.zoho.deliveries.notify(told, (resource, written.event), &written.record, encoding);
    Ok(written)
}

/// Carries out a write, without telling anybody.
pub(crate) fn run(
    organization: &mut Organization,
    resource: &'static Resource,
    write: Write<'_>,
    now: Timestamp,
) -> Result<Written, ApiFault> {
    let missing = || ApiFault::not_found(resource.label);
    let name = resource.label.to_lowercase();
    let (event, message, record) = match write {
        Write::Create(body) => {
            let body = completed(organization, resource, body, now)?;
            let record = organization.insert(resource, body, now);
            ("created", format!("The {name} has been created."), record)
        }
        Write::Update(id, changes) => {
            let old = organization.find(resource, id).ok_or_else(missing)?;
            let mut body = old.body.clone();
            let priced = changes.contains_key("line_items");
            body.extend(changes);
            check(organization, resource, &body, Some(id))?;
            if priced {
                // Nothing is paid yet, so all of the new total is open.
                if body.get("balance") == body.get("total") {
                    body.remove("balance");
                }
                total_up(&mut body);
            }
            let record = organization.replace(resource, id, body, now).ok_or_else(missing)?;
            ("edited", format!("The {name} has been updated."), record)
        }
        Write::Delete(id) => {
            let record = organization.delete(resource, id).ok_or_else(missing)?;
            ("deleted", format!("The {name} has been deleted."), record)
        }
        Write::Mark(id, status) => {
            let mut body = organization.find(resource, id).ok_or_else(missing)?.body.clone();
            body.insert("status".to_owned(), status.into());
            if matches!(status, "paid" | "void") {
                body.insert("balance".to_owned(), 0.into());
            }
            let record = organization.replace(resource, id, body, now).ok_or_else(missing)?;
            let message = format!("{} status has been changed to {}.", resource.label, capitalized(status));
            ("edited", message, record)
        }
    };
    Ok(Written { event, message, record })
}

/// Checks a new record and fills in what the client left out.
fn completed(
    organization: &Organization,
    resource: &Resource,
    mut body: Members,
    now: Timestamp,
) -> Result<Members, ApiFault> {
    check(organization, resource, &body, None)?;
    let home = organization.home();
    let mut default = |name: &str, value: Value| {
        body.entry(name).or_insert(value);
    };
    default("status", resource.first_status.into());
    if let Some(number) = resource.unique.filter(|_| !resource.number_prefix.is_empty()) {
        let count = organization.count(resource) + 1;
        default(number, format!("{}{count:06}", resource.number_prefix).into());
    }
    if resource.path == "contacts" {
        default("contact_type", "customer".into());
    }
    if let Some(party) = resource.party {
        let due_at = now.checked_add(SignedDuration::from_hours(24 * 30)).unwrap_or(now);
        default("date", home.date(now).into());
        default("due_date", home.date(due_at).into());
        default("reference_number", "".into());
        default("currency_code", home.currency.into());
        default("exchange_rate", 1.into());
        default("custom_fields", json!([]));
        default("tags", json!([]));
        let id = body.get(party).and_then(Value::as_str).unwrap_or_default();
        let name = resources::by_path("contacts")
            .and_then(|contacts| organization.find(contacts, id)?.body.get("contact_name").cloned());
        let name_member = party.replace("_id", "_name");
        body.entry(name_member).or_insert(name.unwrap_or_default());
    }
    total_up(&mut body);
    Ok(body)
}

fn check(
    organization: &Organization,
    resource: &Resource,
    body: &Members,
    own_id: Option<&str>,
) -> Result<(), ApiFault> {
    let empty = |member: &&&str| match body.get(**member) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    };
    if let Some(member) = resource.required.iter().find(empty) {
        return Err(ApiFault::invalid_value(member));
    }
    if let (Some(party), Some(contacts)) = (resource.party, resources::by_path("contacts")) {
        let id = body.get(party).and_then(Value::as_str).unwrap_or_default();
        if organization.find(contacts, id).is_none() {
            return Err(ApiFault::not_found(contacts.label));
        }
    }
    let Some(value) = resource.unique.and_then(|name| body.get(name)) else {
        return Ok(());
    };
    let holder = organization.holder(resource, value);
    if holder.is_some_and(|holder| Some(&*holder) != own_id) {
        Err(ApiFault::duplicate(resource.label, value.as_str().unwrap_or_default()))
    } else {
        Ok(())
    }
}

/// Gives every line an amount and the record a total; payments have their amount already.
fn total_up(body: &mut Members) {
    let Some(lines) = body.get_mut("line_items").and_then(Value::as_array_mut) else {
        return;
    };
    let mut total = 0.0;
    for line in lines.iter_mut().filter_map(Value::as_object_mut) {
        let number = |name: &str, default: f64| line.get(name).and_then(Value::as_f64).unwrap_or(default);
        let amount = number("rate", 0.0) * number("quantity", 1.0);
        total += amount;
        line.insert("item_total".to_owned(), money(amount));
    }
    body.insert("sub_total".to_owned(), money(total));
    body.insert("total".to_owned(), money(total));
    body.entry("balance").or_insert(money(total));
}

/// Writes an amount to the cent, without the decimals of a whole number.
fn money(amount: f64) -> Value {
    let cents = (amount * 100.0).round();
    if cents % 100.0 == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "amounts of tests fit")]
        let whole = (cents / 100.0) as i64;
        return whole.into();
    }
    (cents / 100.0).into()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
