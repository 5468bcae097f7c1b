"""Rights that are wider, narrower or elsewhere than they should be."""

from __future__ import annotations

import access_rules as rules
from allow_list import SECRET
from breaking import Break, add, allow, drop, put, statement, statements

EXACT = rules.each_function_may_do_exactly_what_the_allow_list_says
KEY = {"Fn::GetAtt": ["TokenKey", "Arn"]}
CONNECTIONS = {"Fn::GetAtt": ["ConnectionsTable", "Arn"]}
PURPOSE = "kms:EncryptionContext:purpose"


def _decrypt(**condition: object) -> dict:
    return allow("kms:Decrypt", KEY, **condition)


ACCESS_BREAKS = [
    Break(EXACT, "refresh lost its condition on the key",
          drop(*statement("RefreshRole", "OpenRefreshTokens"), "Condition")),
    Break(EXACT, "oauth may write tenants",
          add(*statement("OauthRole", "ReadTenant"), "Action", "dynamodb:PutItem")),
    Break(EXACT, "oauth may touch API keys",
          add(*statement("OauthRole", "KeepOneTimeStates"), "Condition", "ForAllValues:StringLike",
              "dynamodb:LeadingKeys", "KEY#*")),
    Break(EXACT, "oauth lost its condition on keys", drop(*statement("OauthRole", "KeepOneTimeStates"), "Condition")),
    Break(EXACT, "refresh may write any control item",
          drop(*statement("RefreshRole", "KeepScheduleAndBreakers"), "Condition")),
    Break(EXACT, "refresh may query every index",
          put(*statement("RefreshRole", "FindDueConnections"), "Resource",
              {"Fn::Sub": "${ConnectionsTable.Arn}/index/*"})),
    Break(EXACT, "sync may write connections",
          add(*statement("SyncRole", "ReadConnections"), "Action", "dynamodb:UpdateItem")),
    Break(EXACT, "sync may read provider secrets",
          add(*statements("SyncRole"), allow("secretsmanager:GetSecretValue", {"Fn::Sub": SECRET}))),
    Break(EXACT, "api may delete history",
          add(*statements("ApiRole"), allow("dynamodb:DeleteItem", {"Fn::GetAtt": ["HistoryTable", "Arn"]}))),
    Break(EXACT, "api may send to the refresh queue",
          add(*statement("ApiRole", "ProbeQueue"), "Action", "sqs:SendMessage")),
    Break(EXACT, "webhook may send to the sync lanes",
          add(*statement("WebhookRole", "QueueEvents"), "Resource", {"Fn::GetAtt": ["SyncQueue", "Arn"]})),
    Break(EXACT, "webhook lost its queue", drop(*statement("WebhookRole", "QueueEvents"))),
    Break(EXACT, "functions write into each other's logs",
          add(*statement("ApiRole", "WriteLogs"), "Resource", {"Fn::GetAtt": ["SyncLogs", "Arn"]})),
    Break(EXACT, "a second policy widens a role",
          add("ApiRole", "Properties", "Policies",
              {"PolicyName": "more", "PolicyDocument": {"Statement": allow("events:PutEvents", CONNECTIONS)}})),
    Break(rules.policies_consist_of_plain_allow_statements, "a statement says NotAction",
          add(*statements("ApiRole"), {"Sid": "Added", "Effect": "Allow", "NotAction": "iam:*", "Resource": KEY})),
    Break(rules.policies_consist_of_plain_allow_statements, "a statement denies",
          put(*statement("ApiRole", "ProbeKey"), "Effect", "Deny")),
    Break(rules.every_function_has_a_role_of_its_own_that_only_lambda_assumes, "two functions share a role",
          put("WebhookFunction", "Properties", "Role", {"Fn::GetAtt": ["RefreshRole", "Arn"]})),
    Break(rules.every_function_has_a_role_of_its_own_that_only_lambda_assumes, "SAM makes the role",
          drop("WebhookFunction", "Properties", "Role")),
    Break(rules.every_function_has_a_role_of_its_own_that_only_lambda_assumes, "the account may assume a role",
          put("RefreshRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0, "Principal", {"AWS": "*"})),
    Break(rules.no_function_gets_rights_from_outside_its_role, "a role has a managed policy",
          put("ApiRole", "Properties", "ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"])),
    Break(rules.no_function_gets_rights_from_outside_its_role, "a policy is attached to a role",
          put("Extra", {"Type": "AWS::IAM::Policy", "Properties": {
              "PolicyName": "extra", "Roles": [{"Ref": "ApiRole"}],
              "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow("kms:Decrypt", KEY)]}}})),
    Break(rules.no_function_gets_rights_from_outside_its_role, "there is another role",
          put("Extra", {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}})),
    Break(rules.no_right_is_a_wildcard, "an action is a wildcard",
          put(*statement("SyncRole", "WriteRecords"), "Action", "dynamodb:*")),
    Break(rules.no_right_is_a_wildcard, "a resource is a wildcard",
          put(*statement("SyncRole", "PublishEvents"), "Resource", "*")),
    Break(rules.webhook_has_no_right_to_any_table_or_key, "webhook reads connections",
          add(*statements("WebhookRole"), allow("dynamodb:GetItem", CONNECTIONS))),
    Break(rules.webhook_has_no_right_to_any_table_or_key, "webhook decrypts",
          add(*statements("WebhookRole"), _decrypt())),
    Break(rules.only_refresh_opens_refresh_tokens, "sync decrypts refresh tokens",
          put(*statement("SyncRole", "OpenAccessTokens"), "Condition", "StringEquals", PURPOSE, "refresh")),
    Break(rules.only_refresh_opens_refresh_tokens, "sync decrypts both",
          put(*statement("SyncRole", "OpenAccessTokens"), "Condition", "StringEquals", PURPOSE, ["access", "refresh"])),
    Break(rules.only_refresh_opens_refresh_tokens, "sync decrypts anything",
          drop(*statement("SyncRole", "OpenAccessTokens"), "Condition")),
    Break(rules.only_refresh_opens_refresh_tokens, "api decrypts", add(*statements("ApiRole"), _decrypt())),
    Break(rules.only_refresh_opens_refresh_tokens, "oauth decrypts",
          add(*statements("OauthRole"), _decrypt(Condition={"StringEquals": {PURPOSE: "access"}}))),
    Break(rules.every_use_of_the_key_is_bound_to_environment_and_purpose, "a seal is of any environment",
          drop(*statement("OauthRole", "SealTokens"), "Condition", "StringEquals",
               "kms:EncryptionContext:environment")),
    Break(rules.every_use_of_the_key_is_bound_to_environment_and_purpose, "a seal is of any purpose",
          drop(*statement("RefreshRole", "SealTokens"), "Condition", "StringEquals", PURPOSE)),
    Break(rules.a_condition_on_keys_refuses_requests_without_keys, "the Null condition is gone",
          drop(*statement("OauthRole", "ReadTenant"), "Condition", "Null")),
    Break(rules.nobody_scans_a_table, "api scans connections",
          add(*statement("ApiRole", "ReadConnections"), "Action", "dynamodb:Scan")),
    Break(rules.the_key_policy_leaves_the_decision_to_iam, "anyone may use the key",
          put("TokenKey", "Properties", "KeyPolicy", "Statement", 0, "Principal", "*")),
    Break(rules.the_key_policy_leaves_the_decision_to_iam, "another account may use the key",
          add("TokenKey", "Properties", "KeyPolicy", "Statement",
              allow("kms:Decrypt", "*", Principal={"AWS": "arn:aws:iam::123456789012:root"}))),
    Break(rules.every_queue_refuses_plain_http, "a queue is missing in the policy",
          put("QueuesPolicy", "Properties", "Queues", [{"Ref": "EventsQueue"}])),
    Break(rules.every_queue_refuses_plain_http, "the policy denies HTTPS instead",
          put("QueuesPolicy", "Properties", "PolicyDocument", "Statement", 0, "Condition", "Bool",
              "aws:SecureTransport", "true")),
    Break(rules.only_the_schedule_may_send_from_outside_and_only_to_its_dead_letters, "any rule may send",
          drop("ScheduleDlqPolicy", "Properties", "PolicyDocument", "Statement", "TakeLostTicks", "Condition")),
    Break(rules.only_the_schedule_may_send_from_outside_and_only_to_its_dead_letters, "anyone may send events",
          add("QueuesPolicy", "Properties", "PolicyDocument", "Statement",
              allow("sqs:SendMessage", "*", Principal="*"))),
    Break(rules.only_this_api_and_this_schedule_may_invoke_functions, "anyone may invoke refresh",
          put("Extra", {"Type": "AWS::Lambda::Permission", "Properties": {
              "Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "RefreshFunction"}, "Principal": "*"}})),
    Break(rules.only_this_api_and_this_schedule_may_invoke_functions, "a function has a public address",
          put("ApiFunction", "Properties", "FunctionUrlConfig", {"AuthType": "NONE"})),
]
