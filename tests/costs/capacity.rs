//! Whether the stack charges as `DynamoDB` documents it, without which no figure here would mean anything: a begun KiB is a
//! write unit, of the item before or after, whichever is the greater; an index charges for an entry that is made, taken
//! away or, twice, moved, and for nothing else.

use aws::clients;
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Capacity, ReturnConsumedCapacity},
};

use crate::measured::Measured;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Sets attributes of the one item of these tests to texts (`due_at` to a number), or takes those away that are empty;
/// gives the write units of the table and those of the index.
async fn charged(dynamodb: &Client, table: &str, attributes: &[(&str, &str)]) -> [f64; 2] {
    let (gone, set): (Vec<_>, Vec<_>) = attributes.iter().partition(|(_, value)| value.is_empty());
    let sets: Vec<_> = set.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
    let removes: Vec<_> = gone.iter().map(|(name, _)| *name).collect();
    let clause = |verb, parts: &[&str]| {
        if parts.is_empty() { String::new() } else { format!("{verb} {} ", parts.join(", ")) }
    };
    let sets: Vec<_> = sets.iter().map(String::as_str).collect();
    let mut request = dynamodb
        .update_item()
        .table_name(table)
        .key("pk", text("p"))
        .key("sk", text("s"))
        .update_expression(clause("SET", &sets) + &clause("REMOVE", &removes))
        .return_consumed_capacity(ReturnConsumedCapacity::Indexes);
    for (name, value) in set {
        let value = if name == "due_at" { AttributeValue::N(value.to_owned()) } else { text(value) };
        request = request.expression_attribute_values(format!(":{name}"), value);
    }
    let charged = request.send().await.unwrap().consumed_capacity.unwrap();
    let of_table = charged.table().and_then(Capacity::capacity_units).unwrap();
    [of_table, charged.capacity_units().unwrap() - of_table]
}

#[tokio::test]
async fn the_stack_charges_as_documented() {
    let measured = Measured::new().await;
    let dynamodb = clients::dynamodb(&measured.sdk);
    let table = measured.value("CONNECTIONS_TABLE");
    let entry = |at| [("due_shard", "T#xero#1"), ("due_at", at)];
    // Names and values of the key and the attribute's own name weigh seven bytes.
    let (one, more) = ("x".repeat(1017), "x".repeat(1018));

    for (what, attributes, expected) in [
        ("a whole KiB", &[("v", one.as_str())][..], [1.0, 0.0]),
        ("a byte more", &[("v", &more)], [2.0, 0.0]),
        ("as it was before", &[("v", "x")], [2.0, 0.0]),
        ("an entry is made", &entry("1"), [1.0, 1.0]),
        ("an entry stays", &entry("1"), [1.0, 0.0]),
        ("what the index does not hold", &[("v", "y")], [1.0, 0.0]),
        ("an entry moves", &entry("2"), [1.0, 2.0]),
        ("an entry is taken away", &[("due_shard", ""), ("due_at", "")], [1.0, 1.0]),
    ] {
        let charged = charged(&dynamodb, table, attributes).await;

        assert_eq!(charged.map(f64::to_bits), expected.map(f64::to_bits), "{what}: {charged:?}");
    }
}
