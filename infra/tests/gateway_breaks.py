"""A front door that lets in too much, says too much or says it in another shape."""

from __future__ import annotations

import gateway_rules as rules
from breaking import Break, drop, put

API = ("HttpApi", "Properties")
SETTINGS = (*API, "MethodSettings", 0)
LOG = (*API, "AccessLogSetting", "Format")
SHAPE = rules.every_refusal_of_the_gateway_has_the_one_error_shape
THROTTLED = rules.every_route_is_throttled_and_logs_no_data
LOGGED = rules.the_access_log_is_json_without_path_and_query_string


def _answer(kind: str) -> tuple[str, ...]:
    return (*API, "GatewayResponses", kind)


def _body(kind: str, text: str) -> tuple[str, ...]:
    return (*_answer(kind), "ResponseTemplates", "application/json", text)


def _output(name: str, value: object):
    return lambda source: source["Outputs"].update({name: {"Value": value}})


GATEWAY_BREAKS = [
    Break(rules.there_is_one_regional_rest_api_with_one_stage_v1, "SAM adds a second stage",
          lambda source: (drop(*API, "OpenApiVersion")(source), put(*API, "StageName", "Prod")(source))),
    Break(rules.there_is_one_regional_rest_api_with_one_stage_v1, "the API is at the edge",
          put(*API, "EndpointConfiguration", "Type", "EDGE")),
    Break(rules.there_is_one_regional_rest_api_with_one_stage_v1, "a schedule is of the kind that fires only at AWS",
          put("ApiFunction", "Properties", "Events", "Clock",
              {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "rate(1 hour)"}})),
    Break(rules.every_route_leads_to_its_function_for_every_method, "webhooks lead to the API",
          put(*API, "DefinitionBody", "paths", "/webhooks/{proxy+}", {
              "x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"uri": "${ApiFunction.Arn}"}}})),
    Break(rules.every_route_leads_to_its_function_for_every_method, "a route is gone",
          drop(*API, "DefinitionBody", "paths", "/auth/{proxy+}")),
    Break(rules.clients_speak_tls_1_2_at_least, "TLS 1.0 is accepted",
          drop(*API, "DefinitionBody", "x-amazon-apigateway-security-policy")),
    Break(rules.clients_speak_tls_1_2_at_least, "the TLS policy is refused at deployment",
          drop(*API, "DefinitionBody", "x-amazon-apigateway-endpoint-access-mode")),
    Break(rules.bodies_arrive_byte_for_byte, "bodies are text", drop(*API, "BinaryMediaTypes")),
    Break(THROTTLED, "the rate has no limit", drop(*SETTINGS, "ThrottlingRateLimit")),
    Break(THROTTLED, "bursts have no limit", drop(*SETTINGS, "ThrottlingBurstLimit")),
    Break(THROTTLED, "one route only is throttled", put(*SETTINGS, "ResourcePath", "/api/{proxy+}")),
    Break(THROTTLED, "bodies are logged", put(*SETTINGS, "DataTraceEnabled", True)),
    Break(LOGGED, "there is no access log", drop(*API, "AccessLogSetting")),
    Break(LOGGED, "the path is logged", put(*LOG, '{"path":"$context.path"}')),
    Break(LOGGED, "the query string is logged", put(*LOG, '{"q":"$input.params().querystring"}')),
    Break(LOGGED, "the log is not JSON", put(*LOG, "$context.requestId $context.status")),
    Break(SHAPE, "an answer is missing", drop(*_answer("THROTTLED"))),
    Break(SHAPE, "an answer has another status", put(*_answer("MISSING_AUTHENTICATION_TOKEN"), "StatusCode", 403)),
    Break(SHAPE, "an answer is not JSON", put(*_body("DEFAULT_4XX", '{"error":{"code":$context.error.message}}'))),
    Break(SHAPE, "an answer has another shape", put(*_body("DEFAULT_5XX", '{"message":"Internal server error"}'))),
    Break(SHAPE, "an answer has another code", put(*_body(
        "THROTTLED", '{"error":{"code":"SLOW_DOWN","number":2001,"message":"","correlationId":"$context.requestId",'
        '"details":{}}}'))),
    Break(SHAPE, "an answer has no details", put(*_body(
        "THROTTLED", '{"error":{"code":"RATE_LIMIT_EXCEEDED","number":2001,"message":"",'
        '"correlationId":"$context.requestId"}}'))),
    Break(rules.every_refusal_of_the_gateway_is_not_to_be_stored, "a refusal may be cached",
          drop(*_answer("DEFAULT_4XX"), "ResponseParameters", "Headers", "Cache-Control")),
    Break(rules.every_refusal_of_the_gateway_is_not_to_be_stored, "a throttled client is not told when to return",
          drop(*_answer("THROTTLED"), "ResponseParameters", "Headers", "Retry-After")),
    Break(rules.every_output_of_the_contract_exists, "an output is gone",
          lambda source: source["Outputs"].pop("SyncHighDlqUrl")),
    Break(rules.every_output_of_the_contract_exists, "an output is another queue",
          _output("SyncHighDlqUrl", {"Ref": "SyncLowDlq"})),
    Break(rules.every_output_of_the_contract_exists, "an output is another table",
          _output("ControlTable", {"Ref": "RecordsTable"})),
    Break(rules.the_account_can_write_access_logs_before_the_stage_exists, "the stage may come first",
          put(*API, "Description", "Ledgerbridge")),
]
