"""Tables that lose or show what they hold."""

from __future__ import annotations

import storage_rules as rules
from breaking import Break, add, drop, put

CONNECTIONS = ("ConnectionsTable", "Properties")

STORAGE_BREAKS = [
    Break(rules.there_are_exactly_the_five_tables_with_pk_and_sk, "a table is gone", drop("DeliveriesTable")),
    Break(rules.there_are_exactly_the_five_tables_with_pk_and_sk, "a table has no sort key",
          drop("RecordsTable", "Properties", "KeySchema", 1)),
    Break(rules.there_are_exactly_the_five_tables_with_pk_and_sk, "due times are strings",
          put(*CONNECTIONS, "AttributeDefinitions", 3, "AttributeType", "S")),
    Break(rules.every_index_is_the_one_of_the_architecture, "the due index carries tokens",
          put(*CONNECTIONS, "GlobalSecondaryIndexes", "due", "Projection", "ProjectionType", "ALL")),
    Break(rules.every_index_is_the_one_of_the_architecture, "the listing index is gone",
          drop(*CONNECTIONS, "GlobalSecondaryIndexes", "listing")),
    Break(rules.every_index_is_the_one_of_the_architecture, "the list of deliveries carries bodies",
          add("DeliveriesTable", "Properties", "GlobalSecondaryIndexes", "listing", "Projection", "NonKeyAttributes",
              "u1")),
    Break(rules.every_index_is_the_one_of_the_architecture, "the index of changes carries whole records",
          put("RecordsTable", "Properties", "GlobalSecondaryIndexes", "changed", "Projection",
              {"ProjectionType": "ALL"})),
    Break(rules.every_index_is_the_one_of_the_architecture, "there is another index",
          add(*CONNECTIONS, "GlobalSecondaryIndexes", {
              "IndexName": "more", "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
              "Projection": {"ProjectionType": "ALL"}})),
    Break(rules.every_table_can_be_restored_to_any_second, "a table has no backup",
          put("ControlTable", "Properties", "PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})),
    Break(rules.every_table_is_encrypted, "a table has no key of the account", drop(*CONNECTIONS, "SSESpecification")),
    Break(rules.every_table_forgets_by_ttl, "events are remembered forever",
          drop("DeliveriesTable", "Properties", "TimeToLiveSpecification")),
    Break(rules.every_table_forgets_by_ttl, "the attribute of TTL is another",
          put("ControlTable", "Properties", "TimeToLiveSpecification", "AttributeName", "expires_at")),
    Break(rules.every_table_is_paid_by_request, "a table has a fixed capacity",
          put(*CONNECTIONS, "BillingMode", "PROVISIONED")),
    Break(rules.every_table_can_be_protected_against_deletion, "a table is never protected",
          put(*CONNECTIONS, "DeletionProtectionEnabled", False)),
    Break(rules.what_cannot_be_fetched_again_outlives_the_stack, "connections go with the stack",
          drop("ConnectionsTable", "DeletionPolicy")),
    Break(rules.what_cannot_be_fetched_again_outlives_the_stack, "the key goes when it is replaced",
          put("TokenKey", "UpdateReplacePolicy", "Delete")),
    Break(rules.no_table_has_a_fixed_name, "a table has a fixed name", put(*CONNECTIONS, "TableName", "connections")),
    Break(rules.the_key_rotates_and_has_the_alias_of_its_environment, "the key does not rotate",
          put("TokenKey", "Properties", "EnableKeyRotation", False)),
    Break(rules.the_key_rotates_and_has_the_alias_of_its_environment, "a deleted key is gone in a week",
          put("TokenKey", "Properties", "PendingWindowInDays", 7)),
    Break(rules.the_key_rotates_and_has_the_alias_of_its_environment, "environments share an alias",
          put("TokenKeyAlias", "Properties", "AliasName", "alias/ledgerbridge")),
]
