//! The kinds of object as Xero names and asks for them.

use domain::sync::Entity;

/// A kind of object at Xero, which may be several of ours.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its name in addresses and answers.
    pub(super) name: &'static str,
    /// The lower-case name of one of it, as webhooks have it.
    pub(super) word: &'static str,
    /// The member with its id.
    pub(super) id: &'static str,
    /// The member with the number that people know it by.
    pub(super) number: Option<&'static str>,
    /// The member with its status.
    pub(super) status: &'static str,
    /// Whether lists come in pages; without them, everything is in one answer.
    pub(super) is_paged: bool,
    /// Whether lists take `IDs`.
    pub(super) takes_ids: bool,
    /// Whether lists leave out what is archived unless asked for it.
    pub(super) hides_archived: bool,
    /// What its objects may be.
    pub(super) entities: &'static [Entity],
}

const CONTACTS: Resource = Resource {
    name: "Contacts",
    word: "contact",
    id: "ContactID",
    number: None,
    status: "ContactStatus",
    is_paged: true,
    takes_ids: true,
    hides_archived: true,
    entities: &[Entity::Customers, Entity::Vendors],
};

const INVOICES: Resource = Resource {
    name: "Invoices",
    word: "invoice",
    id: "InvoiceID",
    number: Some("InvoiceNumber"),
    status: "Status",
    is_paged: true,
    takes_ids: true,
    hides_archived: false,
    entities: &[Entity::Invoices, Entity::Bills],
};

const CREDIT_NOTES: Resource = Resource {
    name: "CreditNotes",
    word: "creditnote",
    id: "CreditNoteID",
    number: Some("CreditNoteNumber"),
    takes_ids: false,
    entities: &[Entity::CreditNotes],
    ..INVOICES
};

const PAYMENTS: Resource = Resource {
    name: "Payments",
    word: "payment",
    id: "PaymentID",
    number: None,
    takes_ids: false,
    entities: &[Entity::Payments, Entity::BillPayments],
    ..INVOICES
};

const ITEMS: Resource = Resource {
    name: "Items",
    word: "item",
    id: "ItemID",
    number: Some("Code"),
    is_paged: false,
    takes_ids: false,
    entities: &[Entity::Items],
    ..INVOICES
};

const ACCOUNTS: Resource =
    Resource { name: "Accounts", word: "account", id: "AccountID", entities: &[Entity::Accounts], ..ITEMS };

const RESOURCES: &[&Resource] = &[&CONTACTS, &INVOICES, &CREDIT_NOTES, &PAYMENTS, &ITEMS, &ACCOUNTS];

impl Resource {
    /// The resource that holds an entity.
    pub(super) fn of(entity: Entity) -> &'static Self {
        match entity {
            Entity::Customers | Entity::Vendors => &CONTACTS,
            Entity::Invoices | Entity::Bills => &INVOICES,
            Entity::Payments | Entity::BillPayments => &PAYMENTS,
            Entity::CreditNotes => &CREDIT_NOTES,
            Entity::Items => &ITEMS,
            Entity::Accounts => &ACCOUNTS,
        }
    }

    /// The resource that a word of webhooks means.
    pub(super) fn by_word(word: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| resource.word == word).copied()
    }
}

/// The `where` that leaves only objects of this entity, where its resource has others.
pub(super) fn filter(entity: Entity) -> Option<String> {
    let kinds = kinds(entity);
    (!kinds.is_empty()).then(|| kinds.join(" OR "))
}

/// The `where` that leaves of those only the ones that are not deleted, where deleted ones are listed.
pub(super) fn filter_of_count(entity: Entity) -> Option<String> {
    const LIVE: &str = r#"Status!="DELETED""#;
    // What can be archived cannot be deleted, and what comes without pages is gone once it is.
    let resource = Resource::of(entity);
    if resource.hides_archived || !resource.is_paged {
        return filter(entity);
    }
    // AND binds closer than OR, and parentheses would be one thing more for Xero to misread.
    let kinds: Vec<String> = kinds(entity).iter().map(|kind| format!("{kind} AND {LIVE}")).collect();
    Some(if kinds.is_empty() { LIVE.to_owned() } else { kinds.join(" OR ") })
}

/// The conditions of which each object of this entity meets one; none where its resource has no others.
fn kinds(entity: Entity) -> &'static [&'static str] {
    match entity {
        // Who neither bought nor sold yet is a customer to be.
        Entity::Customers => &["IsCustomer==true", "IsSupplier==false"],
        Entity::Vendors => &["IsSupplier==true"],
        Entity::Invoices => &[r#"Type=="ACCREC""#],
        Entity::Bills => &[r#"Type=="ACCPAY""#],
        Entity::Payments => &[
            r#"PaymentType=="ACCRECPAYMENT""#,
            r#"PaymentType=="ARCREDITPAYMENT""#,
            r#"PaymentType=="AROVERPAYMENTPAYMENT""#,
            r#"PaymentType=="ARPREPAYMENTPAYMENT""#,
        ],
        Entity::BillPayments => &[
            r#"PaymentType=="ACCPAYPAYMENT""#,
            r#"PaymentType=="APCREDITPAYMENT""#,
            r#"PaymentType=="APOVERPAYMENTPAYMENT""#,
            r#"PaymentType=="APPREPAYMENTPAYMENT""#,
        ],
        Entity::CreditNotes | Entity::Items | Entity::Accounts => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_is_of_the_resource_that_its_word_means() {
        for &entity in Entity::ALL {
            let resource = Resource::of(entity);

            assert!(resource.entities.contains(&entity), "{entity}");
            assert_eq!(Resource::by_word(resource.word).map(|found| found.name), Some(resource.name));
            assert_eq!(filter(entity).is_some(), resource.entities.len() > 1, "{entity}");
        }
        for word in ["Invoice", "invoices", "prepayment", "subscription", ""] {
            assert!(Resource::by_word(word).is_none(), "{word}");
        }
    }

    #[test]
    fn what_is_deleted_is_not_counted_where_it_is_listed() {
        let of = |entity| filter_of_count(entity).unwrap_or_default();

        insta::assert_snapshot!(of(Entity::Customers), @"IsCustomer==true OR IsSupplier==false");
        insta::assert_snapshot!(of(Entity::Bills), @r#"Type=="ACCPAY" AND Status!="DELETED""#);
        insta::assert_snapshot!(of(Entity::CreditNotes), @r#"Status!="DELETED""#);
        insta::assert_snapshot!(of(Entity::Payments), @r#"PaymentType=="ACCRECPAYMENT" AND Status!="DELETED" OR PaymentType=="ARCREDITPAYMENT" AND Status!="DELETED" OR PaymentType=="AROVERPAYMENTPAYMENT" AND Status!="DELETED" OR PaymentType=="ARPREPAYMENTPAYMENT" AND Status!="DELETED""#);
    }
}
