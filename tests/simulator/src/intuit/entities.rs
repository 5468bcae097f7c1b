//! The kinds of object in a company's books.

/// A kind of object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entity {
    /// As queries and answers write it.
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Whether `/cdc` reports it.
    pub(crate) has_changes: bool,
}

/// How objects of a kind go away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    /// Cannot be deleted, only made inactive; queries hide inactive ones.
    List,
    /// Can be deleted, some can be voided.
    Transaction,
}

const ENTITIES: &[Entity] = &[
    list("Account"),
    list("Class"),
    list("CompanyCurrency"),
    list("Customer"),
    list("Department"),
    list("Employee"),
    list("Item"),
    list("PaymentMethod"),
    unreported(list("TaxAgency")),
    unreported(list("TaxCode")),
    unreported(list("TaxRate")),
    list("Term"),
    list("Vendor"),
    transaction("Attachable"),
    transaction("Bill"),
    transaction("BillPayment"),
    transaction("Budget"),
    transaction("CreditMemo"),
    transaction("Deposit"),
    transaction("Estimate"),
    transaction("Invoice"),
    unreported(transaction("JournalCode")),
    transaction("JournalEntry"),
    transaction("Payment"),
    transaction("Purchase"),
    transaction("PurchaseOrder"),
    transaction("RefundReceipt"),
    transaction("SalesReceipt"),
    unreported(transaction("TimeActivity")),
    transaction("Transfer"),
    transaction("VendorCredit"),
];

/// Finds a kind by its exact name, as queries write it.
pub(crate) fn by_name(name: &str) -> Option<Entity> {
    ENTITIES.iter().find(|entity| entity.name == name).copied()
}

/// Finds a kind by its lower-case name, as addresses write it.
pub(crate) fn by_path(path: &str) -> Option<Entity> {
    ENTITIES.iter().find(|entity| entity.name.eq_ignore_ascii_case(path)).copied()
}

const fn list(name: &'static str) -> Entity {
    Entity { name, family: Family::List, has_changes: true }
}

const fn transaction(name: &'static str) -> Entity {
    Entity { name, family: Family::Transaction, has_changes: true }
}

const fn unreported(entity: Entity) -> Entity {
    Entity { has_changes: false, ..entity }
}
