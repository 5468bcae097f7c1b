//! An update expression, clause by clause.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// The clauses of an update, as they come together; `:name` is the value for the attribute `name`.
#[derive(Default)]
pub(crate) struct Update {
    /// Attributes and the values that they take.
    pub(crate) sets: Vec<(&'static str, AttributeValue)>,
    /// Attributes and the expressions over the item as it was whose values they take.
    pub(crate) copies: Vec<(&'static str, String)>,
    /// Attributes that go.
    pub(crate) removes: Vec<&'static str>,
    /// Numbers and what is added to them.
    pub(crate) adds: Vec<(&'static str, AttributeValue)>,
}

impl Update {
    /// Sets an attribute, or removes it where there is no value.
    pub(crate) fn set_or_remove(&mut self, name: &'static str, value: Option<AttributeValue>) {
        match value {
            Some(value) => self.sets.push((name, value)),
            None => self.removes.push(name),
        }
    }

    /// The expression, and the values that it names.
    pub(crate) fn into_expression(self) -> (String, HashMap<String, AttributeValue>) {
        let Self { sets, copies, removes, adds } = self;
        let set = sets.iter().map(|(name, _)| format!("#{name} = :{name}"));
        let copy = copies.iter().map(|(name, from)| format!("#{name} = {from}"));
        let clauses = [
            ("SET", set.chain(copy).collect::<Vec<_>>()),
            ("REMOVE", removes.iter().map(|name| format!("#{name}")).collect()),
            ("ADD", adds.iter().map(|(name, _)| format!("#{name} :{name}")).collect()),
        ];
        let clauses = clauses.into_iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<_> = clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        let values = sets.into_iter().chain(adds).map(|(name, value)| (format!(":{name}"), value)).collect();
        (clauses.join(" "), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::number;

    #[test]
    fn clauses_come_in_their_order_and_only_those_that_there_are() {
        let mut update = Update { adds: vec![("bad", number(1))], ..Update::default() };
        update.set_or_remove("l", None);
        update.set_or_remove("h", Some(number(2)));
        update.copies.push(("was_st", "#st".to_owned()));

        let (expression, values) = update.into_expression();

        assert_eq!(expression, "SET #h = :h, #was_st = #st REMOVE #l ADD #bad :bad");
        assert_eq!(values, HashMap::from([(":h".to_owned(), number(2)), (":bad".to_owned(), number(1))]));
        assert_eq!(Update::default().into_expression(), (String::new(), HashMap::new()));
    }
}
