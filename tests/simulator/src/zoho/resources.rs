//! The kinds of record that the API keeps, and how each one is named and checked.

/// One kind of record.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Its address, which is also the key of its lists.
    pub(crate) path: &'static str,
    /// Key of a single record.
    pub(crate) single: &'static str,
    pub(crate) id_member: &'static str,
    /// The module of scopes that opens it.
    pub(crate) module: &'static str,
    /// Its name in messages.
    pub(crate) label: &'static str,
    pub(crate) report: &'static str,
    /// Whether lists take `last_modified_time`.
    pub(crate) filters_by_time: bool,
    /// Members without which no record is made.
    pub(crate) required: &'static [&'static str],
    /// Member that no two records share; a number is made up when it is absent and not required.
    pub(crate) unique: Option<&'static str>,
    /// Beginning of made-up numbers.
    pub(crate) number_prefix: &'static str,
    /// Member that names a contact.
    pub(crate) party: Option<&'static str>,
    /// Status of a new record.
    pub(crate) first_status: &'static str,
    /// Statuses that `POST …/status/{status}` sets.
    pub(crate) statuses: &'static [&'static str],
}

/// What most kinds have in common.
const PLAIN: Resource = Resource {
    path: "",
    single: "",
    id_member: "",
    module: "",
    label: "",
    report: "",
    filters_by_time: false,
    required: &[],
    unique: None,
    number_prefix: "",
    party: None,
    first_status: "active",
    statuses: &[],
};

/// All kinds.
pub(crate) const RESOURCES: &[Resource] = &[
    Resource {
        path: "contacts",
        single: "contact",
        id_member: "contact_id",
        module: "contacts",
        label: "Contact",
        report: "Contacts",
        required: &["contact_name"],
        unique: Some("contact_name"),
        ..PLAIN
    },
    Resource {
        path: "invoices",
        single: "invoice",
        id_member: "invoice_id",
        module: "invoices",
        label: "Invoice",
        report: "Invoices",
        filters_by_time: true,
        required: &["customer_id", "line_items"],
        unique: Some("invoice_number"),
        number_prefix: "INV-",
        party: Some("customer_id"),
        first_status: "draft",
        statuses: &["sent", "void", "draft"],
    },
    Resource {
        path: "bills",
        single: "bill",
        id_member: "bill_id",
        module: "bills",
        label: "Bill",
        report: "Bills",
        filters_by_time: true,
        required: &["vendor_id", "bill_number"],
        party: Some("vendor_id"),
        first_status: "open",
        statuses: &["open", "void"],
        ..PLAIN
    },
    Resource {
        path: "creditnotes",
        single: "creditnote",
        id_member: "creditnote_id",
        module: "creditnotes",
        label: "Credit Note",
        report: "Credit Notes",
        filters_by_time: true,
        required: &["customer_id", "line_items"],
        unique: Some("creditnote_number"),
        number_prefix: "CN-",
        party: Some("customer_id"),
        first_status: "open",
        statuses: &["open", "void", "draft"],
    },
    Resource {
        path: "customerpayments",
        single: "payment",
        id_member: "payment_id",
        module: "customerpayments",
        label: "Payment",
        report: "Payments Received",
        required: &["customer_id", "amount"],
        party: Some("customer_id"),
        first_status: "paid",
        ..PLAIN
    },
    Resource {
        path: "vendorpayments",
        single: "vendorpayment",
        id_member: "payment_id",
        module: "vendorpayments",
        label: "Payment",
        report: "Payments Made",
        required: &["vendor_id", "amount"],
        party: Some("vendor_id"),
        first_status: "paid",
        ..PLAIN
    },
    Resource {
        path: "items",
        single: "item",
        id_member: "item_id",
        module: "settings",
        label: "Item",
        report: "Items",
        filters_by_time: true,
        required: &["name", "rate"],
        unique: Some("name"),
        ..PLAIN
    },
    Resource {
        path: "chartofaccounts",
        single: "chart_of_account",
        id_member: "account_id",
        module: "accountants",
        label: "Account",
        report: "Chart of Accounts",
        required: &["account_name", "account_type"],
        unique: Some("account_name"),
        ..PLAIN
    },
];

/// Finds a kind by its address.
pub(crate) fn by_path(path: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.path == path)
}

/// Finds a kind by its address or by the key of a single record, as webhooks name it.
pub(crate) fn by_name(name: &str) -> Option<&'static Resource> {
    by_path(name).or_else(|| RESOURCES.iter().find(|resource| resource.single == name))
}
