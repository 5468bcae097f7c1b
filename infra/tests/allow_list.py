"""What each function may do: all of it. A right that is not listed here fails the tests, and so does one that is gone.

Whoever widens a function's rights says so here, where a reviewer sees it without reading IAM.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

ENVIRONMENT = {"Ref": "Environment"}
SECRET = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${ProviderSecretsId}-??????"


class Grant(NamedTuple):
    """One right: an action on a resource under a condition (JSON with sorted keys, empty when there is none)."""

    action: str
    resource: str
    condition: str


def condition_text(condition: Any) -> str:
    return json.dumps(condition, sort_keys=True) if condition else ""


def _purpose(*purposes: str) -> dict[str, Any]:
    wanted = purposes[0] if len(purposes) == 1 else list(purposes)
    return {
        "StringEquals": {
            "kms:EncryptionContext:environment": ENVIRONMENT,
            "kms:EncryptionContext:purpose": wanted,
        }
    }


def _keys(*patterns: str) -> dict[str, Any]:
    return {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(patterns)},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


# An answer with the whole item would name attributes that the request does not.
_OF_WRITTEN_ONLY = {"StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]}}


def _attributes(names: str, *patterns: str) -> dict[str, Any]:
    """Items below these keys, and in them these attributes, the key's own among them."""
    return {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": names.split()},
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(patterns)},
        "Null": {"dynamodb:Attributes": "false", "dynamodb:LeadingKeys": "false"},
    }


def _grants(actions: str, resources: str, condition: dict[str, Any] | None = None) -> set[Grant]:
    service, _, names = actions.partition(":")
    return {
        Grant(f"{service}:{action}", resource, condition_text(condition))
        for action in names.split()
        for resource in resources.split()
    }


def _logs(group: str) -> set[Grant]:
    return _grants("logs:CreateLogStream PutLogEvents", group)


_EVENTS = _grants("events:PutEvents", "EventBus")
_PROVIDER_SECRETS = _grants("secretsmanager:GetSecretValue", SECRET)
_AUDIT = _grants("dynamodb:PutItem", "HistoryTable", _keys("AUDIT#*"))
_TABLES = "ConnectionsTable ControlTable DeliveriesTable HistoryTable RecordsTable"
_CONSUME = "sqs:ReceiveMessage DeleteMessage GetQueueAttributes ChangeMessageVisibility"

ALLOWED: dict[str, set[Grant]] = {
    "OauthFunction": (
        _logs("OauthLogs")
        | _grants("dynamodb:GetItem", "ControlTable", _keys("SESSION#*", "TENANTS"))
        | _grants("dynamodb:PutItem", "ControlTable", _keys("STATE#*"))
        | _grants("dynamodb:UpdateItem", "ControlTable", _keys("SESSION#*", "STATE#*"))
        | _grants("dynamodb:GetItem Query PutItem UpdateItem", "ConnectionsTable")
        | _grants("dynamodb:DeleteItem", "ConnectionsTable", _keys("TENANT#*"))
        | _AUDIT
        | _grants("kms:GenerateDataKey", "TokenKey", _purpose("access", "refresh"))
        | _grants("dynamodb:GetItem PutItem", "RecordsTable", _keys("JOB#*", "JOBS#*"))
        | _grants("sqs:SendMessage", "SyncLowQueue")
        | _EVENTS
        | _PROVIDER_SECRETS
    ),
    "WebhookFunction": (
        _logs("WebhookLogs")
        | _grants("sqs:SendMessage", "EventsQueue")
        | _PROVIDER_SECRETS
    ),
    "RefreshFunction": (
        _logs("RefreshLogs")
        | _grants("dynamodb:GetItem Query UpdateItem", "ConnectionsTable")
        | _grants("dynamodb:DeleteItem", "ConnectionsTable", _keys("TENANT#*", "ROUTE#*"))
        | _grants("dynamodb:Query", "ConnectionsTable/index/due")
        | _grants("dynamodb:PutItem", "HistoryTable")
        | _grants("dynamodb:Query PutItem UpdateItem", "ControlTable", _keys("SCHEDULER", "BREAKER#*"))
        | _grants("kms:Decrypt", "TokenKey", _purpose("refresh"))
        | _grants("kms:GenerateDataKey", "TokenKey", _purpose("access", "refresh"))
        | _grants("sqs:SendMessage", "RefreshQueue RefreshDlq RecoveryQueue RecoveryDlq")
        | _grants(_CONSUME, "RefreshQueue RecoveryQueue")
        | _EVENTS
        | _PROVIDER_SECRETS
    ),
    "SyncFunction": (
        _logs("SyncLogs")
        | _grants("dynamodb:GetItem BatchGetItem Query", "ConnectionsTable")
        | _grants("dynamodb:Query", "ConnectionsTable/index/listing")
        | _grants("dynamodb:UpdateItem", "ConnectionsTable", _attributes("pk sk used", "TENANT#*") | _OF_WRITTEN_ONLY)
        | _grants("dynamodb:GetItem PutItem UpdateItem DeleteItem", "DeliveriesTable")
        | _grants("dynamodb:GetItem BatchGetItem Query PutItem UpdateItem DeleteItem PartiQLInsert PartiQLUpdate", "RecordsTable")
        | _grants("dynamodb:Query", "RecordsTable/index/changed")
        | _grants("dynamodb:GetItem", "ControlTable", _keys("TENANTS"))
        | _grants("dynamodb:Query", "ControlTable", _keys("KEYS#*", "USERS#*", "USAGE#*"))
        | _grants("dynamodb:BatchGetItem", "ControlTable", _keys("KEYS"))
        | _grants("dynamodb:DeleteItem", "ControlTable", _keys("TENANTS", "KEYS", "KEYS#*", "USERS#*", "USAGE#*"))
        | _AUDIT
        | _grants("dynamodb:GetItem PutItem", "ControlTable", _keys("BUDGET#*"))
        | _grants("dynamodb:Query PutItem", "ControlTable", _keys("BREAKER#books#*"))
        | _grants("dynamodb:UpdateItem", "ControlTable", _keys("USAGE#*"))
        | _grants("kms:Decrypt", "TokenKey", _purpose("access"))
        | _grants(_CONSUME, "EventsQueue SyncQueue SyncHighQueue SyncLowQueue")
        | _grants("sqs:SendMessage", "SyncQueue SyncHighQueue SyncLowQueue")
        | _grants("sqs:SendMessage", "EventsDlq SyncDlq SyncHighDlq SyncLowDlq")
        | _grants("lambda:InvokeFunction", "RefreshFunction")
        | _EVENTS
    ),
    "ApiFunction": (
        _logs("ApiLogs")
        | _grants("dynamodb:GetItem BatchGetItem Query", "ConnectionsTable")
        | _grants("dynamodb:Query", "ConnectionsTable/index/listing")
        | _grants("dynamodb:UpdateItem", "ConnectionsTable", _attributes("pk sk st w was_w", "TENANT#*"))
        | _grants("dynamodb:UpdateItem", "ConnectionsTable", _attributes("pk sk used", "TENANT#*") | _OF_WRITTEN_ONLY)
        | _grants("dynamodb:UpdateItem", "ConnectionsTable", _attributes("pk sk wm", "TENANT#*") | _OF_WRITTEN_ONLY)
        | _grants("dynamodb:PutItem", "ConnectionsTable", _keys("TENANT#*", "ROUTE#*"))
        | _grants("dynamodb:UpdateItem", "ConnectionsTable", _keys("ROUTE#*"))
        | _grants("dynamodb:UpdateItem", "ConnectionsTable", _attributes("pk sk st w was_w due_shard due_at why", "TENANT#*"))
        | _grants("dynamodb:DeleteItem", "ConnectionsTable", _keys("TENANT#*"))
        | _grants("kms:GenerateDataKey", "TokenKey", _purpose("access", "refresh"))
        | _grants("dynamodb:Query", "HistoryTable HistoryTable/index/provider")
        | _AUDIT
        | _grants("dynamodb:Query BatchGetItem", "RecordsTable")
        | _grants("dynamodb:Query", "RecordsTable/index/changed RecordsTable/index/jobs")
        | _grants("dynamodb:GetItem PutItem", "RecordsTable", _keys("JOB#*", "JOBS#*"))
        | _grants("dynamodb:Query", "DeliveriesTable DeliveriesTable/index/listing")
        | _grants("dynamodb:GetItem", "DeliveriesTable")
        | _grants("dynamodb:GetItem", "ControlTable", _keys("TENANTS", "USERS#*", "USAGE#*", "SCHEDULER"))
        | _grants("dynamodb:GetItem BatchGetItem Query PutItem UpdateItem", "ControlTable", _keys("KEYS", "KEYS#*"))
        | _grants("dynamodb:Query PutItem UpdateItem DeleteItem", "ControlTable", _keys("USERS#*"))
        | _grants("dynamodb:GetItem", _TABLES, _keys("PROBE"))
        | _grants("kms:DescribeKey", "TokenKey")
        | _grants("sqs:GetQueueAttributes", "EventsQueue RecoveryQueue RefreshQueue SyncQueue SyncHighQueue SyncLowQueue")
        | _grants("sqs:GetQueueAttributes", "EventsDlq RecoveryDlq RefreshDlq SyncDlq SyncHighDlq SyncLowDlq")
        | _grants("dynamodb:GetItem PutItem", "ControlTable", _keys("CURSORS"))
        | _grants("dynamodb:GetItem UpdateItem", "ControlTable", _keys("TALLY#*"))
        | _grants("dynamodb:PutItem", "ControlTable", _keys("REQUEST#*"))
        | _grants("dynamodb:Query", "ControlTable", _keys("BREAKER#*", "TENANTS", "USAGE#*"))
        | _grants("dynamodb:PutItem", "ControlTable", _keys("TENANTS", "SESSION#*"))
        | _grants("dynamodb:UpdateItem", "ControlTable", _keys("LIMIT#*"))
        | _grants("dynamodb:GetItem PutItem UpdateItem DeleteItem", "ControlTable", _keys("FLIGHT#*"))
        | _grants("dynamodb:GetItem PutItem", "ControlTable", _keys("BUDGET#*"))
        | _grants("dynamodb:Query PutItem", "ControlTable", _keys("BREAKER#books#*"))
        | _grants("dynamodb:UpdateItem", "ControlTable", _keys("USAGE#*"))
        | _EVENTS
        | _grants("kms:Decrypt", "TokenKey", _purpose("access"))
        | _grants("sqs:SendMessage", "SyncQueue SyncHighQueue SyncLowQueue")
        | _grants("lambda:InvokeFunction", "RefreshFunction")
        | _PROVIDER_SECRETS
    ),
}
