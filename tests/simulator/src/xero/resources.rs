//! The kinds of object in an organization's books, and what is peculiar to each.

/// A kind of object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Resource {
    /// As addresses and answers write it.
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    /// A member by which an object can also be found, and which no two objects share.
    pub(crate) number: Option<&'static str>,
    pub(crate) status: &'static str,
    /// Scopes each of which opens it.
    pub(crate) areas: &'static [&'static str],
    pub(crate) paged: bool,
    /// How webhooks call it; `None` for what they do not tell.
    pub(crate) category: Option<&'static str>,
}

const INVOICES: &[&str] = &["accounting.invoices"];
const PAYMENTS: &[&str] = &["accounting.payments"];
const SETTINGS: &[&str] = &["accounting.settings"];

const RESOURCES: &[Resource] = &[
    told(document("Invoices", "InvoiceID", INVOICES), Some("InvoiceNumber"), "INVOICE"),
    Resource {
        name: "Contacts",
        id: "ContactID",
        number: Some("Name"),
        status: "ContactStatus",
        areas: &["accounting.contacts"],
        paged: true,
        category: Some("CONTACT"),
    },
    told(document("CreditNotes", "CreditNoteID", INVOICES), Some("CreditNoteNumber"), "CREDITNOTE"),
    document("Payments", "PaymentID", PAYMENTS),
    told(document("Prepayments", "PrepaymentID", PAYMENTS), None, "PREPAYMENT"),
    told(document("Overpayments", "OverpaymentID", PAYMENTS), None, "OVERPAYMENT"),
    document("BankTransactions", "BankTransactionID", &["accounting.banktransactions"]),
    document("ManualJournals", "ManualJournalID", &["accounting.manualjournals"]),
    document("PurchaseOrders", "PurchaseOrderID", INVOICES),
    list("Items", "ItemID", &["accounting.settings", "accounting.invoices"]),
    list("Accounts", "AccountID", SETTINGS),
];

/// Finds a kind by its name in addresses.
pub(crate) fn by_path(path: &str) -> Option<Resource> {
    RESOURCES.iter().find(|resource| resource.name.eq_ignore_ascii_case(path)).copied()
}

const fn document(name: &'static str, id: &'static str, areas: &'static [&'static str]) -> Resource {
    Resource { name, id, number: None, status: "Status", areas, paged: true, category: None }
}

const fn told(resource: Resource, number: Option<&'static str>, category: &'static str) -> Resource {
    Resource { number, category: Some(category), ..resource }
}

const fn list(name: &'static str, id: &'static str, areas: &'static [&'static str]) -> Resource {
    Resource { name, id, number: Some("Code"), status: "Status", areas, paged: false, category: None }
}
