"""What is stored: tables, their indexes, the key."""

from __future__ import annotations

from collections.abc import Iterator

from expansion import Expanded
from rules import rule

# Index: partition key, sort key, what it carries.
INDEXES = {
    "ConnectionsTable": {
        "due": ("due_shard", "due_at", "KEYS_ONLY"),
        "listing": ("listing", "sk", "KEYS_ONLY"),
    },
    "HistoryTable": {"provider": ("provider", "sk", "ALL")},
    "DeliveriesTable": {
        "listing": ("listing", "pk", "INCLUDE at x of p1 p2 p3 p4 p5 p6 p7 p8 p9 p10"),
    },
    "RecordsTable": {
        "changed": ("pk", "updated_at", "INCLUDE deleted"),
        "jobs": ("queue", "queued_at", "KEYS_ONLY"),
    },
    "ControlTable": {},
}
TYPES = {
    "pk": "S", "sk": "S", "due_shard": "S", "due_at": "N", "listing": "S", "provider": "S",
    "updated_at": "N", "queue": "S", "queued_at": "N",
}
KEPT = ("ConnectionsTable", "HistoryTable", "RecordsTable", "ControlTable", "TokenKey")


def tables(expanded: Expanded) -> dict[str, dict]:
    return expanded.of_type("AWS::DynamoDB::Table")


def _keys(schema: list[dict]) -> tuple[str, ...]:
    return tuple(key["AttributeName"] for key in schema)


def _carries(projection: dict) -> str:
    return " ".join([projection["ProjectionType"], *projection.get("NonKeyAttributes", [])])


@rule
def there_are_exactly_the_five_tables_with_pk_and_sk(expanded: Expanded) -> Iterator[str]:
    for name in sorted(set(tables(expanded)) ^ set(INDEXES)):
        yield f"{name} is missing, or no rule knows it"
    for name, table in tables(expanded).items():
        if _keys(table["KeySchema"]) != ("pk", "sk"):
            yield f"{name} has the keys {_keys(table['KeySchema'])}"
        for attribute in table["AttributeDefinitions"]:
            if TYPES.get(attribute["AttributeName"]) != attribute["AttributeType"]:
                yield f"{name}: {attribute['AttributeName']} is {attribute['AttributeType']}"


@rule
def every_index_is_the_one_of_the_architecture(expanded: Expanded) -> Iterator[str]:
    for name, table in tables(expanded).items():
        found = {
            index["IndexName"]: (*_keys(index["KeySchema"]), _carries(index["Projection"]))
            for index in table.get("GlobalSecondaryIndexes", [])
        }
        if found != INDEXES.get(name):
            yield f"{name} has the indexes {found}"


@rule
def every_table_can_be_restored_to_any_second(expanded: Expanded) -> Iterator[str]:
    for name, table in tables(expanded).items():
        if table.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            yield f"{name} cannot be restored"


@rule
def every_table_is_encrypted(expanded: Expanded) -> Iterator[str]:
    for name, table in tables(expanded).items():
        if table.get("SSESpecification", {}).get("SSEEnabled") is not True:
            yield f"{name} is not encrypted under a key of the account"


@rule
def every_table_forgets_by_ttl(expanded: Expanded) -> Iterator[str]:
    for name, table in tables(expanded).items():
        if table.get("TimeToLiveSpecification") != {"AttributeName": "ttl", "Enabled": True}:
            yield f"{name} forgets nothing"


@rule
def every_table_is_paid_by_request(expanded: Expanded) -> Iterator[str]:
    for name, table in tables(expanded).items():
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name} has a fixed capacity"


@rule
def every_table_can_be_protected_against_deletion(expanded: Expanded) -> Iterator[str]:
    for name, table in tables(expanded).items():
        if table.get("DeletionProtectionEnabled") != {"Fn::If": ["Protected", True, False]}:
            yield f"{name} can be deleted in production"


@rule
def what_cannot_be_fetched_again_outlives_the_stack(expanded: Expanded) -> Iterator[str]:
    for name in KEPT:
        resource = expanded.resources.get(name, {})
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) != ("Retain", "Retain"):
            yield f"{name} is deleted with the stack"


@rule
def no_table_has_a_fixed_name(expanded: Expanded) -> Iterator[str]:
    """A new stack would run into what an old one left."""
    for name, table in tables(expanded).items():
        if "TableName" in table:
            yield f"{name} is called {table['TableName']}"


@rule
def the_key_rotates_and_has_the_alias_of_its_environment(expanded: Expanded) -> Iterator[str]:
    if list(expanded.of_type("AWS::KMS::Key")) != ["TokenKey"]:
        yield "there is not exactly one key"
    if expanded.properties("TokenKey").get("EnableKeyRotation") is not True:
        yield "the key does not rotate"
    if expanded.properties("TokenKey").get("PendingWindowInDays") != 30:
        yield "a deleted key can be saved for less than 30 days"
    alias = {"AliasName": {"Fn::Sub": "alias/ledgerbridge-${Environment}-tokens"}, "TargetKeyId": {"Ref": "TokenKey"}}
    if list(expanded.of_type("AWS::KMS::Alias").values()) != [alias]:
        yield "the key's alias is another"
