//! Zoho Books' payloads: one record, in whichever of three forms an organization's administrator chose.
//!
//! The default is `{"invoice":{…}}`; a body of the administrator's own is flat (`{"invoice_id":…}`); a form holds the same
//! as fields, or the default payload in a field `JSONString`. Company and connection come from the address alone: an
//! organization is named nowhere reliably, and what Zoho signs lets letters move between parameters.

use super::{
    FoundAddress, Operation, WebhookEvent,
    reading::{Members, Parsed, Unread, entity, instant, key, operation},
    request::WebhookRequest,
};
use crate::id::DeliveryId;

/// Kinds of records that a flat payload is looked through for: word, and the member that holds the id. A kind stands
/// before those that its records name: an invoice names its items, a payment its invoice.
const FLAT: [(&str, &str); 15] = [
    ("customerpayment", "customerpayment_id"),
    ("vendorpayment", "vendorpayment_id"),
    ("payment", "payment_id"),
    ("creditnote", "creditnote_id"),
    ("vendor_credit", "vendor_credit_id"),
    ("expense", "expense_id"),
    ("invoice", "invoice_id"),
    ("bill", "bill_id"),
    ("salesorder", "salesorder_id"),
    ("purchaseorder", "purchaseorder_id"),
    ("estimate", "estimate_id"),
    ("journal", "journal_id"),
    ("item", "item_id"),
    ("contact", "contact_id"),
    ("chart_of_account", "account_id"),
];
/// Words whose id is not in a member of their own name.
const ODD: [(&str, &str); 5] = [
    ("customerpayment", "payment_id"),
    ("vendorpayment", "payment_id"),
    ("customer", "contact_id"),
    ("vendor", "contact_id"),
    ("chart_of_account", "account_id"),
];
/// The field of a form that holds the default payload.
const JSON_FIELD: &str = "jsonstring";
/// What a rule's own parameter says that happened; the payload does not.
const OPERATION: &str = "operation";
/// What a rule's own parameter says that a flat payload is about.
const ENTITY: &str = "entity";

/// What a request says that came to the address of a company, as this delivery.
pub(super) fn parse(
    request: &WebhookRequest<'_>,
    address: &FoundAddress,
    delivery: &DeliveryId,
) -> Result<Parsed, Unread> {
    let fields = Fields::of(request);
    let json = if request.is_form { fields.text(JSON_FIELD).unwrap_or_default() } else { String::new() };
    let json = if request.is_form { json.as_bytes() } else { request.body };
    let found = if json.is_empty() { flat(&fields, &fields) } else { found(&Members::read(json)?, &fields) };
    let hint = fields.text(OPERATION);
    // Hashed once and not for every record: thousands of them fit into one body.
    let signed = key(&[&request.zoho_text()]);
    let event = |Found { word, id, modified, operation: own }: Found| {
        let modified = modified.unwrap_or_default();
        // There is no event id: what was signed, about this object as of this time, is the same event. Where no time is
        // said, the next change is announced with the same bytes, so each delivery is an event: one fetch too many is
        // better than a change that is missed.
        let once = if modified.is_empty() { delivery.as_str() } else { "" };
        let place = [address.connection.as_str(), address.company.as_str()];
        let parts = [place[0], place[1], &word, &id, &modified, once, &signed];
        Some(WebhookEvent {
            key: key(&parts.map(str::as_bytes)),
            provider_company_id: address.company.clone(),
            connection_id: Some(address.connection.clone()),
            entity: entity(&word)?,
            id: id.parse().ok()?,
            operation: hint.as_deref().or(own.as_deref()).and_then(operation).unwrap_or(Operation::Updated),
            occurred_at: instant(&modified),
        })
    };
    let mut parsed = Parsed::default();
    for one in found.into_iter().map(event) {
        parsed.add(one.map(Some));
    }
    if parsed.events.is_empty() {
        parsed.unknown = parsed.unknown.max(1);
    }
    Ok(parsed)
}

/// A record as a payload names it.
struct Found {
    word: String,
    id: String,
    modified: Option<String>,
    operation: Option<String>,
}

/// Members by name, of JSON or of a form.
trait Named {
    fn id(&self, name: &str) -> Option<String>;
}

impl Named for Members<'_> {
    fn id(&self, name: &str) -> Option<String> {
        Members::id(self, name).filter(|id| !id.is_empty())
    }
}

/// The parameters of the address and the fields of a form, by names in small letters.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(request: &WebhookRequest<'_>) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        let field = |(name, value)| Some((text(name)?.to_ascii_lowercase(), text(value)?));
        Self(request.parameters().into_iter().filter_map(field).collect())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl Named for Fields {
    fn id(&self, name: &str) -> Option<String> {
        self.text(name).filter(|id| !id.is_empty())
    }
}

/// The records of a JSON object: itself where it is flat, otherwise its members that are records.
fn found(members: &Members<'_>, fields: &Fields) -> Vec<Found> {
    let flat = flat(members, fields);
    if !flat.is_empty() {
        return flat;
    }
    let record = |(word, record): (&str, Members<'_>)| {
        let modified = record.text("last_modified_time");
        Some(Found {
            word: word.to_owned(),
            id: id_of(&record, word)?,
            modified,
            operation: members.text(OPERATION),
        })
    };
    members.objects().filter_map(record).collect()
}

/// The record that flat members are about: of the kind that they or a parameter name, or of the first kind whose id is
/// among them.
fn flat(members: &dyn Named, fields: &Fields) -> Vec<Found> {
    let named = fields.text(ENTITY).or_else(|| members.id(ENTITY));
    let named =
        named.map(|word| word.to_ascii_lowercase()).and_then(|word| Some((id_of(members, &word)?, word)));
    let among = || FLAT.iter().find_map(|(word, name)| Some((members.id(name)?, (*word).to_owned())));
    let found = named.or_else(among).map(|(id, word)| {
        // Both sorts of payments have the same name for their id; only one of them is to a vendor.
        let to_vendor = word == "payment" && members.id("vendor_id").is_some();
        let word = if to_vendor { "vendorpayment".to_owned() } else { word };
        let modified = members.id("last_modified_time");
        Found { word, id, modified, operation: members.id(OPERATION) }
    });
    found.into_iter().collect()
}

/// The id of a record of this kind.
fn id_of(members: &dyn Named, word: &str) -> Option<String> {
    let odd = ODD.iter().find(|(odd, _)| *odd == word).map(|(_, name)| *name);
    members.id(&format!("{word}_id")).or_else(|| members.id(odd?))
}

#[cfg(test)]
mod tests;
