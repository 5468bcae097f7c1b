//! The kinds of object as Zoho Books names and asks for them.

use domain::sync::Entity;

/// A kind of object at Zoho, which may be several of ours.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its name in addresses, which is also the key of its lists.
    pub(super) path: &'static str,
    /// The key of a single one.
    pub(super) single: &'static str,
    /// The member with its id.
    pub(super) id: &'static str,
    /// The member with the number that people know it by.
    pub(super) number: Option<&'static str>,
    /// The column that keeps its order while a list is walked through by position.
    pub(super) stable: &'static str,
    /// Whether lists take `last_modified_time`.
    pub(super) is_filtered_by_time: bool,
    /// What it may be.
    pub(super) entities: &'static [Entity],
    /// Its names in webhooks, lower-case and without underscores, which Zoho sets now and then; the first is the usual one.
    pub(super) words: &'static [&'static str],
}

const INVOICES: Resource = Resource {
    path: "invoices",
    single: "invoice",
    id: "invoice_id",
    number: Some("invoice_number"),
    stable: "created_time",
    is_filtered_by_time: true,
    entities: &[Entity::Invoices],
    words: &["invoice"],
};

const BILLS: Resource = Resource {
    path: "bills",
    single: "bill",
    id: "bill_id",
    number: Some("bill_number"),
    entities: &[Entity::Bills],
    words: &["bill"],
    ..INVOICES
};

const CREDIT_NOTES: Resource = Resource {
    path: "creditnotes",
    single: "creditnote",
    id: "creditnote_id",
    number: Some("creditnote_number"),
    entities: &[Entity::CreditNotes],
    words: &["creditnote"],
    ..INVOICES
};

const CUSTOMER_PAYMENTS: Resource = Resource {
    path: "customerpayments",
    single: "payment",
    id: "payment_id",
    number: Some("payment_number"),
    stable: "created_time",
    is_filtered_by_time: false,
    entities: &[Entity::Payments],
    words: &["customerpayment", "payment"],
};

const VENDOR_PAYMENTS: Resource = Resource {
    path: "vendorpayments",
    single: "vendorpayment",
    entities: &[Entity::BillPayments],
    words: &["vendorpayment"],
    ..CUSTOMER_PAYMENTS
};

const CONTACTS: Resource = Resource {
    path: "contacts",
    single: "contact",
    id: "contact_id",
    number: None,
    entities: &[Entity::Customers, Entity::Vendors],
    words: &["contact", "customer", "vendor"],
    ..CUSTOMER_PAYMENTS
};

const ITEMS: Resource = Resource {
    path: "items",
    single: "item",
    id: "item_id",
    number: None,
    stable: "name",
    entities: &[Entity::Items],
    words: &["item"],
    ..CUSTOMER_PAYMENTS
};

const ACCOUNTS: Resource = Resource {
    path: "chartofaccounts",
    single: "chart_of_account",
    id: "account_id",
    number: Some("account_code"),
    stable: "account_name",
    entities: &[Entity::Accounts],
    words: &["chartofaccount", "account"],
    ..CUSTOMER_PAYMENTS
};

const RESOURCES: &[&Resource] =
    &[&ACCOUNTS, &BILLS, &CONTACTS, &CREDIT_NOTES, &CUSTOMER_PAYMENTS, &INVOICES, &ITEMS, &VENDOR_PAYMENTS];

impl Resource {
    /// The resource that holds an entity.
    pub(super) fn of(entity: Entity) -> &'static Self {
        match entity {
            Entity::Customers | Entity::Vendors => &CONTACTS,
            Entity::Invoices => &INVOICES,
            Entity::Bills => &BILLS,
            Entity::Payments => &CUSTOMER_PAYMENTS,
            Entity::BillPayments => &VENDOR_PAYMENTS,
            Entity::CreditNotes => &CREDIT_NOTES,
            Entity::Items => &ITEMS,
            Entity::Accounts => &ACCOUNTS,
        }
    }

    /// The resource that a word of webhooks means.
    pub(super) fn by_word(word: &str) -> Option<&'static Self> {
        let word = word.replace('_', "");
        RESOURCES.iter().find(|resource| resource.words.contains(&&*word)).copied()
    }
}

/// The `contact_type` that leaves only objects of this entity, where its resource has others.
pub(super) fn contact_type(entity: Entity) -> Option<&'static str> {
    match entity {
        Entity::Customers => Some("customer"),
        Entity::Vendors => Some("vendor"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_is_of_the_resource_that_its_words_mean() {
        for &entity in Entity::ALL {
            let resource = Resource::of(entity);

            assert!(resource.entities.contains(&entity), "{entity}");
            assert_eq!(contact_type(entity).is_some(), resource.entities.len() > 1, "{entity}");
            for word in resource.words.iter().chain([&resource.single]) {
                assert_eq!(Resource::by_word(word).map(|found| found.path), Some(resource.path), "{word}");
            }
        }
        assert_eq!(Resource::by_word("credit_note").map(|found| found.path), Some("creditnotes"));
        for word in ["Invoice", "invoices", "expense", ""] {
            assert!(Resource::by_word(word).is_none(), "{word}");
        }
    }
}
