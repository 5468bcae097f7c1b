//! The kinds of object as Intuit names and asks for them.

use domain::{
    id::RecordId,
    sync::{Entity, PageQuery},
};

use crate::ledger::to_the_second;

/// The most objects that Intuit puts on a page.
pub(super) const PAGE_SIZE: u64 = 1_000;
/// How many are asked for where so many are more than is read at once: objects of 300 KiB each still fit, and one of more
/// could not be stored.
pub(super) const SMALL_PAGE_SIZE: u64 = 100;

/// A kind of object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Our word.
    pub(super) entity: Entity,
    /// Intuit's word as it stands in statements and answers.
    pub(super) name: &'static str,
    /// The same in lower case, as it stands in addresses and webhooks.
    pub(super) word: &'static str,
    /// Whether its objects can only be made inactive, and inactive ones are left out unless asked for.
    is_list: bool,
}

impl Kind {
    /// The kind that an entity is.
    pub(super) fn of(entity: Entity) -> Self {
        let (name, word, is_list) = match entity {
            Entity::Accounts => ("Account", "account", true),
            Entity::BillPayments => ("BillPayment", "billpayment", false),
            Entity::Bills => ("Bill", "bill", false),
            Entity::CreditNotes => ("CreditMemo", "creditmemo", false),
            Entity::Customers => ("Customer", "customer", true),
            Entity::Invoices => ("Invoice", "invoice", false),
            Entity::Items => ("Item", "item", true),
            Entity::Payments => ("Payment", "payment", false),
            Entity::Vendors => ("Vendor", "vendor", true),
        };
        Self { entity, name, word, is_list }
    }

    /// The kind that Intuit's lower-case word means.
    pub(super) fn by_word(word: &str) -> Option<Self> {
        let kinds = Entity::ALL.iter().map(|&entity| Self::of(entity));
        kinds.into_iter().find(|kind| kind.word == word)
    }

    /// What its objects are, as a list.
    pub(super) fn entities(self) -> &'static [Entity] {
        let place = Entity::ALL.iter().position(|&entity| entity == self.entity);
        place.map_or(&[], |place| &Entity::ALL[place..=place])
    }

    /// The statement for a page of `size`, in the order of change; not by `Id`, which Intuit stops sorting by.
    pub(super) fn statement(self, query: &PageQuery, size: u64) -> String {
        // Intuit's times of change are whole seconds.
        let changed =
            query.after.map(|after| format!("MetaData.LastUpdatedTime >= '{}'", to_the_second(after)));
        format!(
            "SELECT * FROM {name}{filter} ORDERBY MetaData.LastUpdatedTime ASC STARTPOSITION {start} MAXRESULTS {size}",
            name = self.name,
            filter = self.filter(changed),
            start = query.skip.saturating_add(1),
        )
    }

    /// The statement for objects by id, whose alphabet needs no quoting.
    pub(super) fn statement_by_id(self, ids: &[&RecordId]) -> String {
        let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        format!(
            "SELECT * FROM {name}{filter} MAXRESULTS {count}",
            name = self.name,
            filter = self.filter(Some(format!("Id IN ({})", quoted.join(", ")))),
            count = ids.len(),
        )
    }

    /// The statement that counts its objects, inactive ones too.
    pub(super) fn statement_of_count(self) -> String {
        format!("SELECT COUNT(*) FROM {name}{filter}", name = self.name, filter = self.filter(None))
    }

    fn filter(self, condition: Option<String>) -> String {
        let active = self.is_list.then(|| "Active IN (true, false)".to_owned());
        let conditions: Vec<String> = active.into_iter().chain(condition).collect();
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_walk_begins_without_a_time() {
        let query = PageQuery { entity: Entity::Invoices, after: None, skip: 0 };

        insta::assert_snapshot!(Kind::of(query.entity).statement(&query, PAGE_SIZE), @"SELECT * FROM Invoice ORDERBY MetaData.LastUpdatedTime ASC STARTPOSITION 1 MAXRESULTS 1000");
    }

    #[test]
    fn inactive_customers_are_asked_for_too() {
        let after = "2026-11-01T08:00:00.75Z".parse().ok();
        let query = PageQuery { entity: Entity::Customers, after, skip: 2000 };

        insta::assert_snapshot!(Kind::of(query.entity).statement(&query, PAGE_SIZE), @"SELECT * FROM Customer WHERE Active IN (true, false) AND MetaData.LastUpdatedTime >= '2026-11-01T08:00:00Z' ORDERBY MetaData.LastUpdatedTime ASC STARTPOSITION 2001 MAXRESULTS 1000");
    }

    #[test]
    fn objects_are_asked_for_by_id_whether_active_or_not() {
        let ids: Vec<RecordId> = ["1", "22"].iter().map(|id| id.parse().unwrap()).collect();
        let ids: Vec<&RecordId> = ids.iter().collect();

        insta::assert_snapshot!(Kind::of(Entity::Invoices).statement_by_id(&ids), @"SELECT * FROM Invoice WHERE Id IN ('1', '22') MAXRESULTS 2");
        insta::assert_snapshot!(Kind::of(Entity::Items).statement_by_id(&ids), @"SELECT * FROM Item WHERE Active IN (true, false) AND Id IN ('1', '22') MAXRESULTS 2");
    }

    #[test]
    fn inactive_ones_are_counted_too() {
        insta::assert_snapshot!(Kind::of(Entity::Bills).statement_of_count(), @"SELECT COUNT(*) FROM Bill");
        insta::assert_snapshot!(Kind::of(Entity::Vendors).statement_of_count(), @"SELECT COUNT(*) FROM Vendor WHERE Active IN (true, false)");
    }

    #[test]
    fn every_kind_is_found_again_by_its_word_in_webhooks() {
        for &entity in Entity::ALL {
            let Kind { name, word, .. } = Kind::of(entity);

            assert_eq!(Kind::by_word(word).map(|kind| kind.entity), Some(entity), "{word}");
            assert_eq!(name.to_ascii_lowercase(), word);
        }
        for word in ["Invoice", "invoices", "estimate", ""] {
            assert!(Kind::by_word(word).is_none(), "{word}");
        }
    }

    #[test]
    fn a_place_beyond_all_numbers_does_not_overflow() {
        let query = PageQuery { entity: Entity::Bills, after: None, skip: u64::MAX };

        assert!(
            Kind::of(query.entity)
                .statement(&query, PAGE_SIZE)
                .contains("STARTPOSITION 18446744073709551615 ")
        );
    }
}
