"""Who may do what: roles, key policy, queue policies, permissions to invoke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from allow_list import ALLOWED, Grant, condition_text
from expansion import FUNCTIONS, ROLES, Expanded, Json, as_list, target
from rules import rule

STATEMENT_KEYS = {"Sid", "Effect", "Action", "Resource", "Condition"}
# The rules that call functions by the clock.
SCHEDULES = ["${AWS::StackName}-sweep", "${AWS::StackName}-catch-up"]
# Attributes of a connection that open nothing, whoever writes them.
HARMLESS = {"pk", "sk", "st", "w", "was_w", "used", "wm"}


def statements(expanded: Expanded, role: str) -> list[Json]:
    return [
        statement
        for policy in expanded.properties(role).get("Policies", [])
        for statement in as_list(policy["PolicyDocument"]["Statement"])
    ]


def grants(expanded: Expanded, function: str) -> set[Grant]:
    """Every right of a function, one by one."""
    return {
        Grant(action, target(resource), condition_text(statement.get("Condition")))
        for statement in statements(expanded, ROLES[function])
        for action in as_list(statement.get("Action", []))
        for resource in as_list(statement.get("Resource", []))
    }


def all_grants(expanded: Expanded) -> Iterator[tuple[str, Grant]]:
    for function in FUNCTIONS:
        for grant in sorted(grants(expanded, function)):
            yield function, grant


@rule
def each_function_may_do_exactly_what_the_allow_list_says(expanded: Expanded) -> Iterator[str]:
    for function, allowed in ALLOWED.items():
        has = grants(expanded, function)
        for grant in sorted(has - allowed):
            yield f"{function} may, but should not: {' '.join(grant)}"
        for grant in sorted(allowed - has):
            yield f"{function} may not, but should: {' '.join(grant)}"


@rule
def policies_consist_of_plain_allow_statements(expanded: Expanded) -> Iterator[str]:
    """`NotAction`, `NotResource` and the like would slip past the allow-list."""
    for function, role in ROLES.items():
        for statement in statements(expanded, role):
            if statement.get("Effect") != "Allow" or not set(statement) <= STATEMENT_KEYS:
                yield f"{function}: {statement.get('Sid')} is more than a plain Allow"


@rule
def every_function_has_a_role_of_its_own_that_only_lambda_assumes(expanded: Expanded) -> Iterator[str]:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    if set(expanded.of_type("AWS::Lambda::Function")) != set(FUNCTIONS):
        yield "the functions are not the five that are known"
    for function, role in ROLES.items():
        if expanded.properties(function).get("Role") != {"Fn::GetAtt": [role, "Arn"]}:
            yield f"{function} does not run as {role}"
        if expanded.properties(role).get("AssumeRolePolicyDocument", {}).get("Statement") != [trust]:
            yield f"{role} can be assumed by others than Lambda"


@rule
def no_function_gets_rights_from_outside_its_role(expanded: Expanded) -> Iterator[str]:
    """Managed policies, and policies attached from elsewhere, are not in the allow-list's sight."""
    for role, properties in expanded.of_type("AWS::IAM::Role").items():
        if properties.get("ManagedPolicyArns") and role != "GatewayLogsRole":
            yield f"{role} has managed policies"
    if set(expanded.of_type("AWS::IAM::Role")) != {*ROLES.values(), "GatewayLogsRole"}:
        yield "there are roles that no rule knows"
    for kind in ("Policy", "RolePolicy", "ManagedPolicy", "User", "UserPolicy", "Group"):
        for name in expanded.of_type(f"AWS::IAM::{kind}"):
            yield f"{name} gives rights outside of the functions' roles"


@rule
def no_right_is_a_wildcard(expanded: Expanded) -> Iterator[str]:
    for function, grant in all_grants(expanded):
        if "*" in grant.action or "*" in grant.resource:
            yield f"{function}: {grant.action} on {grant.resource}"


@rule
def webhook_has_no_right_to_any_table_or_key(expanded: Expanded) -> Iterator[str]:
    for grant in grants(expanded, "WebhookFunction"):
        if grant.action.startswith(("dynamodb:", "kms:")):
            yield f"the webhook function may {grant.action}"


def _decrypts(expanded: Expanded, function: str) -> list[Any]:
    return [
        statement.get("Condition", {}).get("StringEquals", {}).get("kms:EncryptionContext:purpose")
        for statement in statements(expanded, ROLES[function])
        for action in as_list(statement.get("Action", []))
        if action in {"kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncrypt*", "kms:*", "*"}
    ]


@rule
def only_refresh_opens_refresh_tokens(expanded: Expanded) -> Iterator[str]:
    for function in FUNCTIONS:
        opens = _decrypts(expanded, function)
        allowed = {"RefreshFunction": ["refresh"], "SyncFunction": ["access"], "ApiFunction": ["access"]}.get(function, [])
        if opens != allowed:
            yield f"{function} decrypts for {opens}, not for {allowed}"


@rule
def every_use_of_the_key_is_bound_to_environment_and_purpose(expanded: Expanded) -> Iterator[str]:
    for function, role in ROLES.items():
        for statement in statements(expanded, role):
            # To describe it is no use of it, and knows no context.
            uses = {action for action in as_list(statement["Action"]) if action.startswith("kms:")}
            if not uses - {"kms:DescribeKey"}:
                continue
            context = statement.get("Condition", {}).get("StringEquals", {})
            if context.get("kms:EncryptionContext:environment") != {"Ref": "Environment"}:
                yield f"{function}: {statement['Sid']} works in every environment"
            if not set(as_list(context.get("kms:EncryptionContext:purpose"))) <= {"access", "refresh"}:
                yield f"{function}: {statement['Sid']} works for any purpose"


@rule
def a_condition_on_all_of_something_refuses_requests_with_none_of_it(expanded: Expanded) -> Iterator[str]:
    """`ForAllValues` is true for a request that names no key, or no attribute, at all."""
    for function, role in ROLES.items():
        for statement in statements(expanded, role):
            condition = statement.get("Condition", {})
            for operator, values in condition.items():
                if not operator.startswith("ForAllValues:"):
                    continue
                for key in values:
                    if condition.get("Null", {}).get(key) != "false":
                        yield f"{function}: {statement['Sid']} says nothing about requests without {key}"


@rule
def nobody_rewrites_the_history(expanded: Expanded) -> Iterator[str]:
    """Attempts and the audit log are only ever added to; time alone takes them away."""
    for function, grant in all_grants(expanded):
        action = grant.action.removeprefix("dynamodb:")
        if grant.resource.startswith("HistoryTable") and action not in {"GetItem", "PutItem", "Query"}:
            yield f"{function} may {grant.action}"


def _attributes_of(statement: Json) -> set[str]:
    condition = statement.get("Condition", {})
    return set(condition.get("ForAllValues:StringEquals", {}).get("dynamodb:Attributes", ["everything"]))


@rule
def only_oauth_and_refresh_write_more_of_a_connection_than_its_state_and_use(expanded: Expanded) -> Iterator[str]:
    """`st` is the state, `used` the time of its last use, `wm` whether its tenant wants it always warm, and by `w` and `was_w` a write knows itself again; all else is tokens, lease or route."""
    for function in ("WebhookFunction", "SyncFunction", "ApiFunction"):
        for statement in statements(expanded, ROLES[function]):
            if "ConnectionsTable" not in {target(resource) for resource in as_list(statement["Resource"])}:
                continue
            for action in as_list(statement["Action"]):
                if action in {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}:
                    continue
                if action != "dynamodb:UpdateItem" or not _attributes_of(statement) <= HARMLESS:
                    yield f"{function}: {statement['Sid']} writes connections by {action}"


@rule
def nobody_scans_a_table(expanded: Expanded) -> Iterator[str]:
    for function, grant in all_grants(expanded):
        if grant.action in {"dynamodb:Scan", "dynamodb:PartiQLSelect"}:
            yield f"{function} may {grant.action}"


@rule
def the_key_policy_leaves_the_decision_to_iam(expanded: Expanded) -> Iterator[str]:
    policy = expanded.properties("TokenKey").get("KeyPolicy", {}).get("Statement", [])
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    if [statement.get("Principal") for statement in policy] != [root]:
        yield "the key's policy admits others than the account"


@rule
def every_queue_refuses_plain_http(expanded: Expanded) -> Iterator[str]:
    covered: set[str] = set()
    for properties in expanded.of_type("AWS::SQS::QueuePolicy").values():
        for statement in properties["PolicyDocument"]["Statement"]:
            if (
                statement["Effect"] == "Deny"
                and statement["Principal"] == "*"
                and statement["Action"] == "sqs:*"
                and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            ):
                covered.update(target(queue) for queue in properties["Queues"])
    for queue in sorted(set(expanded.of_type("AWS::SQS::Queue")) - covered):
        yield f"{queue} takes messages over plain HTTP"


@rule
def only_the_schedules_may_send_from_outside_and_only_to_its_dead_letters(expanded: Expanded) -> Iterator[str]:
    for name, properties in expanded.of_type("AWS::SQS::QueuePolicy").items():
        for statement in properties["PolicyDocument"]["Statement"]:
            if statement["Effect"] != "Allow":
                continue
            sources = as_list(statement.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn"))
            if (
                [target(queue) for queue in properties["Queues"]] != ["ScheduleDlq"]
                or statement["Principal"] != {"Service": "events.amazonaws.com"}
                or statement["Action"] != "sqs:SendMessage"
                or [target(source).split(":rule/")[-1] for source in sources] != SCHEDULES
            ):
                yield f"{name}: {statement.get('Sid')} admits too much"


@rule
def only_this_api_and_these_schedules_may_invoke_functions(expanded: Expanded) -> Iterator[str]:
    expected = {
        ("OauthFunction", "apigateway.amazonaws.com"),
        ("WebhookFunction", "apigateway.amazonaws.com"),
        ("ApiFunction", "apigateway.amazonaws.com"),
        ("RefreshFunction", "events.amazonaws.com"),
        ("SyncFunction", "events.amazonaws.com"),
    }
    found = set()
    for name, properties in expanded.of_type("AWS::Lambda::Permission").items():
        found.add((target(properties["FunctionName"]), properties["Principal"]))
        if not properties.get("SourceArn"):
            yield f"{name} does not say which one of {properties['Principal']} it means"
    for function, principal in sorted(found ^ expected):
        yield f"{principal} and {function}: missing or too much"
    for name in expanded.of_type("AWS::Lambda::Url"):
        yield f"{name} makes a function public"
