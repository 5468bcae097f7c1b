"""The front door: routes, throttles, access log, the gateway's own answers, outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from expansion import FUNCTIONS, Expanded, target
from rules import rule

ROUTES = {
    "/auth/{proxy+}": "OauthFunction",
    "/webhooks/{proxy+}": "WebhookFunction",
    "/api/{proxy+}": "ApiFunction",
}
# Status, code and number; no status where the gateway keeps its own.
ANSWERS = {
    "DEFAULT_4XX": (None, "VALIDATION_FAILED", 4001),
    "DEFAULT_5XX": (None, "INTERNAL_ERROR", 7003),
    "MISSING_AUTHENTICATION_TOKEN": (404, "VALIDATION_NOT_FOUND", 4004),
    "RESOURCE_NOT_FOUND": (404, "VALIDATION_NOT_FOUND", 4004),
    "REQUEST_TOO_LARGE": (413, "VALIDATION_BODY_TOO_LARGE", 4013),
    "THROTTLED": (429, "RATE_LIMIT_EXCEEDED", 2001),
    "INTEGRATION_FAILURE": (503, "STORAGE_UNAVAILABLE", 7001),
    "INTEGRATION_TIMEOUT": (504, "STORAGE_UNAVAILABLE", 7001),
}
# A path may hold a webhook's secret segment; the query string holds code, state and session.
LOGGED_NEVER = re.compile(
    r"\$context\.(path|customPath|customDomain\.\w*path|requestOverride|responseOverride|authorizer)\b"
    r"|querystring|queryString|header|cookie|body|\$input|\$stageVariables",
    re.IGNORECASE,
)
OUTPUTS = [
    "ApiId", "ApiStage", "ApiUrl", "WebhookUrl", "CallbackUrl", "XeroCallbackUrl", "ZohoCallbackUrl",
    "EventBus", "TokenKeyId", "AccessLogGroup",
    *FUNCTIONS,
    *(f"{name}Table" for name in ("Connections", "History", "Deliveries", "Records", "Control")),
    *(f"{name}{kind}Url" for name in ("Events", "Refresh", "Sync", "SyncHigh", "SyncLow") for kind in ("Queue", "Dlq")),
    "ScheduleDlqUrl",
]


def stage(expanded: Expanded) -> dict:
    stages = list(expanded.of_type("AWS::ApiGateway::Stage").values())
    return stages[0] if len(stages) == 1 else {}


@rule
def there_is_one_regional_rest_api_with_one_stage_v1(expanded: Expanded) -> Iterator[str]:
    if stage(expanded).get("StageName") != "v1":
        yield "the stage is not v1, or not the only one"
    if expanded.properties("HttpApi").get("EndpointConfiguration") != {"Types": ["REGIONAL"]}:
        yield "the API is not regional"
    for kind in ("AWS::ApiGatewayV2::Api", "AWS::Scheduler::Schedule"):
        for name in expanded.of_type(kind):
            yield f"{name} does nothing on the local stack"


@rule
def every_route_leads_to_its_function_for_every_method(expanded: Expanded) -> Iterator[str]:
    paths = expanded.properties("HttpApi")["Body"]["paths"]
    if set(paths) != set(ROUTES):
        yield f"the routes are {sorted(paths)}"
    for path, function in ROUTES.items():
        methods = paths.get(path, {})
        uri = methods.get("x-amazon-apigateway-any-method", {}).get("x-amazon-apigateway-integration", {}).get("uri")
        if len(methods) != 1 or f"${{{function}.Arn}}" not in target(uri):
            yield f"{path} does not lead to {function}"


@rule
def clients_speak_tls_1_2_at_least(expanded: Expanded) -> Iterator[str]:
    body = expanded.properties("HttpApi")["Body"]
    if body.get("x-amazon-apigateway-security-policy") != "SecurityPolicy_TLS13_1_2_2021_06":
        yield "old TLS is accepted"
    if body.get("x-amazon-apigateway-endpoint-access-mode") != "STRICT":
        yield "API Gateway refuses this TLS policy without strict access"


@rule
def bodies_arrive_byte_for_byte(expanded: Expanded) -> Iterator[str]:
    if expanded.properties("HttpApi")["Body"].get("x-amazon-apigateway-binary-media-types") != ["*/*"]:
        yield "bodies are decoded on the way, and signatures break"


@rule
def every_route_is_throttled_and_logs_no_data(expanded: Expanded) -> Iterator[str]:
    settings = stage(expanded).get("MethodSettings", [])
    if [(setting["ResourcePath"], setting["HttpMethod"]) for setting in settings] != [("/*", "*")]:
        yield "there are routes without these settings"
    for setting in settings:
        if setting.get("ThrottlingRateLimit") != {"Ref": "StageThrottleRate"}:
            yield "the rate is not limited"
        if setting.get("ThrottlingBurstLimit") != {"Ref": "StageThrottleBurst"}:
            yield "bursts are not limited"
        if setting.get("DataTraceEnabled") is not False:
            yield "bodies and headers are logged"


@rule
def the_access_log_is_json_without_path_and_query_string(expanded: Expanded) -> Iterator[str]:
    setting = stage(expanded).get("AccessLogSetting", {})
    if target(setting.get("DestinationArn")) != "AccessLogs":
        yield "there is no access log"
    line = setting.get("Format", "")
    try:
        json.loads(line)
    except ValueError:
        yield "the access log is not JSON"
    if "\n" in line:
        yield "an entry of the access log has several lines"
    for found in LOGGED_NEVER.finditer(line):
        yield f"the access log has {found.group()}"


@rule
def every_refusal_of_the_gateway_has_the_one_error_shape(expanded: Expanded) -> Iterator[str]:
    responses = expanded.properties("HttpApi")["Body"].get("x-amazon-apigateway-gateway-responses", {})
    for kind, (status, code, number) in ANSWERS.items():
        response = responses.get(kind, {})
        if response.get("statusCode") != (str(status) if status else None):
            yield f"{kind} is answered with {response.get('statusCode')}"
        try:
            error = json.loads(response.get("responseTemplates", {}).get("application/json", ""))["error"]
        except (KeyError, ValueError):
            yield f"{kind} is not answered in JSON of the error shape"
            continue
        if list(error) != ["code", "number", "message", "correlationId", "details"] or error["details"] != {}:
            yield f"{kind} is answered with the fields {list(error)}"
        if (error.get("code"), error.get("number")) != (code, number):
            yield f"{kind} is called {error.get('code')} {error.get('number')}"
        if error.get("correlationId") != "$context.requestId":
            yield f"{kind} cannot be found in the logs"


@rule
def every_refusal_of_the_gateway_is_not_to_be_stored(expanded: Expanded) -> Iterator[str]:
    responses = expanded.properties("HttpApi")["Body"].get("x-amazon-apigateway-gateway-responses", {})
    for kind, response in responses.items():
        headers = response.get("responseParameters", {})
        if headers.get("gatewayresponse.header.Cache-Control") != "'no-store'":
            yield f"{kind} may be cached"
        if kind == "THROTTLED" and "gatewayresponse.header.Retry-After" not in headers:
            yield f"{kind} does not say when to come again"


@rule
def every_output_of_the_contract_exists(expanded: Expanded) -> Iterator[str]:
    for name in OUTPUTS:
        value = expanded.template["Outputs"].get(name, {}).get("Value")
        if not value:
            yield f"{name} is missing"
        # Also right: a name that says which resource it is must be that resource.
        resource = next((name.removesuffix(end) for end in ("Url", "Id") if name.removesuffix(end) != name), name)
        if resource in expanded.resources and value != {"Ref": resource}:
            yield f"{name} is {target(value)}"


@rule
def the_account_can_write_access_logs_before_the_stage_exists(expanded: Expanded) -> Iterator[str]:
    """API Gateway refuses a stage with an access log as long as the region has no role for it."""
    if "${GatewayAccount}" not in json.dumps(expanded.properties("HttpApi").get("Description")):
        yield "nothing orders the account's role before the stage"
