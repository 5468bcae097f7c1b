"""How functions run and how they are triggered: times, variables, queues, schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from expansion import FUNCTIONS, ROLES, Expanded, target
from rules import rule

# A POST to a token endpoint ends after this, and a lease after that; see docs/architecture.md.
POST_SECONDS = 45
LEASE_SECONDS = 105
# API Gateway gives up after this.
GATEWAY_SECONDS = 29

CONSUMERS = {
    "EventsQueue": "SyncFunction",
    "SyncQueue": "SyncFunction",
    "SyncHighQueue": "SyncFunction",
    "SyncLowQueue": "SyncFunction",
    "RefreshQueue": "RefreshFunction",
    "RecoveryQueue": "RefreshFunction",
}
# A job may take all of the function's time, so it comes alone.
BATCH_SIZES = {"EventsQueue": 10, "RefreshQueue": 5, "RecoveryQueue": 10}
# A killed worker's messages come again within five minutes, after its lease, the clocks' difference included.
FOLLOWED_SECONDS = 300
LEASES_AND_CLOCKS_SECONDS = LEASE_SECONDS + 120
# The next batch of a company waits for the one of a killed worker, which comes again no later than this after its end.
EVENTS_MARGIN_SECONDS = 30
LANES = ("SyncQueue", "SyncHighQueue", "SyncLowQueue")
# Tried every quarter of a minute, hence so often; and events of a company for most of a day of its provider's outage. A job
# counts its failures itself: its receives are mostly waits for limits, and for its turn.
TRIES = {"RecoveryQueue": 1000, "EventsQueue": 20} | dict.fromkeys(LANES, 1000)
# The name of a FIFO queue has a fixed end, so it cannot be CloudFormation's own.
FIFO = {
    "EventsQueue": {"Fn::Sub": "${AWS::StackName}-events.fifo"},
    "EventsDlq": {"Fn::Sub": "${AWS::StackName}-events-dlq.fifo"},
}
DEAD_LETTER_QUEUES = {queue: queue.replace("Queue", "Dlq") for queue in CONSUMERS}

# The sweep every minute, the catch-up once a day.
SCHEDULED = {"RefreshFunction": "rate(1 minute)", "SyncFunction": "cron(17 3 * * ? *)"}

VARIABLES_OF_ALL = "ENVIRONMENT POWERTOOLS_SERVICE_NAME POWERTOOLS_METRICS_NAMESPACE AWS_LAMBDA_LOG_LEVEL"
VARIABLES = {
    "OauthFunction": (
        "CONNECTIONS_TABLE HISTORY_TABLE CONTROL_TABLE RECORDS_TABLE SYNC_QUEUE_LOW_URL EVENT_BUS TOKEN_KEY_ID PROVIDER_SECRETS_ID "
        "PUBLIC_URL REFRESH_POLICY KEEP_ALIVE_HOURS HISTORY_DAYS DUE_SHARDS ALLOW_SHARED_COMPANIES RETURN_URLS "
        "QUICKBOOKS_API_BASE_URL QUICKBOOKS_SCOPES XERO_SCOPES ZOHO_SCOPES ZOHO_DATA_CENTRES ZOHO_LOCATION"
    ),
    "WebhookFunction": "EVENTS_QUEUE_URL PROVIDER_SECRETS_ID",
    "RefreshFunction": (
        "CONNECTIONS_TABLE HISTORY_TABLE CONTROL_TABLE REFRESH_QUEUE_URL REFRESH_DLQ_URL RECOVERY_QUEUE_URL "
        "RECOVERY_DLQ_URL EVENT_BUS TOKEN_KEY_ID PROVIDER_SECRETS_ID REFRESH_POLICY KEEP_ALIVE_HOURS HISTORY_DAYS "
        "DUE_SHARDS ZOHO_DATA_CENTRES ZOHO_LOCATION"
    ),
    "SyncFunction": (
        "CONNECTIONS_TABLE DELIVERIES_TABLE RECORDS_TABLE CONTROL_TABLE HISTORY_TABLE HISTORY_DAYS EVENTS_QUEUE_URL EVENTS_DLQ_URL SYNC_QUEUE_URL "
        "SYNC_QUEUE_HIGH_URL SYNC_QUEUE_LOW_URL SYNC_DLQ_URL SYNC_HIGH_DLQ_URL SYNC_LOW_DLQ_URL EVENT_BUS "
        "TOKEN_KEY_ID REFRESH_FUNCTION REFRESH_POLICY KEEP_ALIVE_HOURS QUICKBOOKS_API_BASE_URL ZOHO_DATA_CENTRES WEBHOOK_MAX_AGE_DAYS "
        "QUICKBOOKS_MONTHLY_READS XERO_DAILY_CALLS ZOHO_CONCURRENT_CALLS"
    ),
    "ApiFunction": (
        "CONNECTIONS_TABLE HISTORY_TABLE RECORDS_TABLE CONTROL_TABLE DELIVERIES_TABLE REFRESH_FUNCTION "
        "SYNC_QUEUE_URL SYNC_QUEUE_HIGH_URL SYNC_QUEUE_LOW_URL SYNC_DLQ_URL SYNC_HIGH_DLQ_URL SYNC_LOW_DLQ_URL "
        "EVENTS_QUEUE_URL EVENTS_DLQ_URL REFRESH_QUEUE_URL REFRESH_DLQ_URL RECOVERY_QUEUE_URL RECOVERY_DLQ_URL "
        "TOKEN_KEY_ID QUICKBOOKS_API_BASE_URL ZOHO_DATA_CENTRES "
        "EVENT_BUS QUICKBOOKS_MONTHLY_READS XERO_DAILY_CALLS ZOHO_CONCURRENT_CALLS PROVIDER_SECRETS_ID PUBLIC_URL RETURN_URLS REFRESH_POLICY KEEP_ALIVE_HOURS HISTORY_DAYS CONNECT_SESSIONS_PER_MINUTE "
        "API_CALLS_PER_MINUTE QUICKBOOKS_SCOPES "
        "XERO_SCOPES ZOHO_SCOPES"
    ),
}
# Where a variable's name does not give away its resource.
POINTS_TO = {
    "SYNC_QUEUE_LOW_URL": "SyncLowQueue",
    "SYNC_QUEUE_HIGH_URL": "SyncHighQueue",
    "TOKEN_KEY_ID": "TokenKey",
}
SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSPHRASE|CREDENTIAL|PRIVATE|TOKEN(?!_KEY_ID$)|KEY(?!_ID$)")


def mappings(expanded: Expanded) -> dict[str, dict]:
    return expanded.of_type("AWS::Lambda::EventSourceMapping")


@rule
def refresh_ends_after_the_post_and_before_the_lease(expanded: Expanded) -> Iterator[str]:
    timeout = expanded.properties("RefreshFunction")["Timeout"]
    if not POST_SECONDS < timeout < LEASE_SECONDS:
        yield f"the refresh function may run for {timeout} s"


@rule
def functions_behind_the_api_end_before_the_gateway_gives_up(expanded: Expanded) -> Iterator[str]:
    for function in ("OauthFunction", "WebhookFunction", "ApiFunction"):
        if expanded.properties(function)["Timeout"] > GATEWAY_SECONDS:
            yield f"{function} may run for {expanded.properties(function)['Timeout']} s"


@rule
def a_refresh_is_never_repeated_blindly(expanded: Expanded) -> Iterator[str]:
    invocation = expanded.properties("RefreshFunctionEventInvokeConfig")
    if invocation.get("MaximumRetryAttempts") != 0:
        yield "Lambda repeats a failed asynchronous invocation of the refresh function"


@rule
def every_function_runs_a_rust_program_on_the_chosen_architecture(expanded: Expanded) -> Iterator[str]:
    for function in FUNCTIONS:
        properties = expanded.properties(function)
        if (properties["Runtime"], properties["Handler"]) != ("provided.al2023", "bootstrap"):
            yield f"{function} runs {properties['Handler']} on {properties['Runtime']}"
        if properties.get("Architectures") != [{"Ref": "Architecture"}]:
            yield f"{function} runs on {properties.get('Architectures')}"


@rule
def what_sends_messages_to_itself_is_not_stopped_as_a_loop(expanded: Expanded) -> Iterator[str]:
    """A long job that puts itself back on its lane, and a refresh that is watched until it has ended."""
    for function in ("SyncFunction", "RefreshFunction"):
        if expanded.properties(function).get("RecursiveLoop") != "Allow":
            yield f"Lambda stops {function} as a runaway loop"


@rule
def every_function_has_exactly_the_variables_it_reads(expanded: Expanded) -> Iterator[str]:
    for function, service in FUNCTIONS.items():
        variables = expanded.variables(function)
        expected = {*VARIABLES_OF_ALL.split(), *VARIABLES[function].split()}
        for name in sorted(set(variables) ^ expected):
            yield f"{function}: {name} is missing or too much"
        if variables.get("POWERTOOLS_SERVICE_NAME") != service:
            yield f"{function} calls itself {variables.get('POWERTOOLS_SERVICE_NAME')}"


@rule
def functions_are_told_the_same_about_the_same(expanded: Expanded) -> Iterator[str]:
    """Otherwise one would promise scopes that another does not ask for, or know other data centers."""
    told: dict[str, tuple[str, Any]] = {}
    for function in FUNCTIONS:
        for name, value in expanded.variables(function).items():
            first, known = told.setdefault(name, (function, value))
            if value != known and name != "POWERTOOLS_SERVICE_NAME":
                yield f"{name} is {target(known)} in {first}, {target(value)} in {function}"


@rule
def every_variable_points_to_the_resource_of_its_name(expanded: Expanded) -> Iterator[str]:
    for function in FUNCTIONS:
        for name, value in expanded.variables(function).items():
            expected = POINTS_TO.get(name, name.removesuffix("_URL").title().replace("_", ""))
            if expected in expanded.resources and target(value) != expected:
                yield f"{function}: {name} is {target(value)}"


@rule
def no_variable_holds_a_secret(expanded: Expanded) -> Iterator[str]:
    for function in FUNCTIONS:
        for name, value in expanded.variables(function).items():
            if SECRET_NAME.search(name) and name != "PROVIDER_SECRETS_ID":
                yield f"{function}: {name} looks like a secret"
            if "{{resolve:" in str(value):
                yield f"{function}: the value of {name} would be resolved into the function's settings"
    for name, parameter in expanded.template["Parameters"].items():
        if parameter.get("NoEcho"):
            yield f"parameter {name} is a secret"


@rule
def every_queue_has_its_consumer(expanded: Expanded) -> Iterator[str]:
    found = {
        target(mapping["EventSourceArn"]): target(mapping["FunctionName"]) for mapping in mappings(expanded).values()
    }
    if found != CONSUMERS:
        yield f"queues are consumed by {found}"


@rule
def every_queue_mapping_reports_single_failures(expanded: Expanded) -> Iterator[str]:
    for name, mapping in mappings(expanded).items():
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name} repeats whole batches"


@rule
def every_queue_mapping_bounds_its_concurrency(expanded: Expanded) -> Iterator[str]:
    for name, mapping in mappings(expanded).items():
        bound = mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
        bounds = [bound]
        if isinstance(bound, dict):
            parameter = expanded.template["Parameters"][target(bound)]
            bounds = [parameter.get("MinValue", 0), parameter["Default"], parameter.get("MaxValue", 0)]
        if not all(2 <= bound <= 50 for bound in bounds):
            yield f"{name} runs up to {bound or 'any number of'} functions at once"


@rule
def batches_are_no_larger_than_their_consumer_can_do_at_once(expanded: Expanded) -> Iterator[str]:
    for name, mapping in mappings(expanded).items():
        if mapping["BatchSize"] != BATCH_SIZES.get(target(mapping["EventSourceArn"]), 1):
            yield f"{name} takes {mapping['BatchSize']} messages at once"


def _visibility(expanded: Expanded) -> Iterator[tuple[str, int, int]]:
    """Each queue with its visibility timeout, and how long a batch of it may be at its consumer."""
    for mapping in mappings(expanded).values():
        queue = target(mapping["EventSourceArn"])
        timeout = expanded.properties(target(mapping["FunctionName"]))["Timeout"]
        yield queue, expanded.properties(queue).get("VisibilityTimeout", 30), timeout


@rule
def jobs_stay_invisible_for_six_times_the_timeout_of_their_consumer(expanded: Expanded) -> Iterator[str]:
    for queue, visibility, timeout in _visibility(expanded):
        if queue in {"SyncQueue", "SyncHighQueue", "SyncLowQueue"} and visibility < 6 * timeout:
            yield f"{queue}: {visibility} s for {timeout} s"


@rule
def a_company_waits_for_a_killed_consumer_no_longer_than_it_must(expanded: Expanded) -> Iterator[str]:
    """Lambda asks for the timeout; six times as much would stop a company's line for half an hour."""
    for queue, visibility, timeout in _visibility(expanded):
        if queue == "EventsQueue" and not timeout < visibility <= timeout + EVENTS_MARGIN_SECONDS:
            yield f"{queue}: {visibility} s for {timeout} s"


@rule
def each_company_is_a_line_of_its_own_in_the_events_queue(expanded: Expanded) -> Iterator[str]:
    """SQS takes dead letters of a FIFO queue in one of the same kind only, and a batching window for neither."""
    lines = {"FifoQueue": True, "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    for queue in FIFO:
        properties = expanded.properties(queue)
        if {name: properties.get(name) for name in lines} != lines or "ContentBasedDeduplication" in properties:
            yield f"{queue} has no line for each company"
    for name, mapping in mappings(expanded).items():
        if target(mapping["EventSourceArn"]) in FIFO and "MaximumBatchingWindowInSeconds" in mapping:
            yield f"{name} has a batching window, which Lambda refuses"


@rule
def the_greatest_webhook_is_one_message(expanded: Expanded) -> Iterator[str]:
    for queue in FIFO:
        if expanded.properties(queue).get("MaximumMessageSize") != 1024 * 1024:
            yield f"{queue} takes less than a webhook may have"


@rule
def what_a_killed_refresh_worker_left_is_followed_after_its_lease_and_soon(expanded: Expanded) -> Iterator[str]:
    """Six times the timeout would be too late for Xero's 30 minutes, should it happen again and again."""
    for queue, visibility, timeout in _visibility(expanded):
        if queue == "RefreshQueue" and not LEASES_AND_CLOCKS_SECONDS <= visibility <= FOLLOWED_SECONDS - 60:
            yield f"a killed worker is followed after {visibility} s"
        if queue == "RecoveryQueue" and not timeout < visibility <= LEASE_SECONDS:
            yield f"a token set that a killed worker was to store is stored after {visibility} s"


@rule
def every_queue_gives_up_into_its_dead_letter_queue_after_its_tries(expanded: Expanded) -> Iterator[str]:
    for queue, dead_letters in DEAD_LETTER_QUEUES.items():
        redrive = expanded.properties(queue).get("RedrivePolicy", {})
        if target(redrive.get("deadLetterTargetArn")) != dead_letters:
            yield f"{queue} has no dead-letter queue of its own"
        if redrive.get("maxReceiveCount", 0) != TRIES.get(queue, 5):
            yield f"{queue} gives up after {redrive.get('maxReceiveCount')} tries"


@rule
def dead_letters_are_kept_for_14_days_and_longer_than_in_the_source(expanded: Expanded) -> Iterator[str]:
    days = 24 * 60 * 60
    for name in [*DEAD_LETTER_QUEUES.values(), "ScheduleDlq"]:
        if expanded.properties(name).get("MessageRetentionPeriod") != 14 * days:
            yield f"{name} does not keep its messages for 14 days"
    for queue in DEAD_LETTER_QUEUES:
        kept = expanded.properties(queue).get("MessageRetentionPeriod", 0)
        # What may be the only copy of a grant is kept as long as can be; it is a dead letter within hours. Of a company's line
        # ten events at a time are tried for 15 hours, and what goes by age leaves no trace; a dead letter of a FIFO queue
        # has its whole time before it, whenever it was sent. A job may wait for days, and what fails is sent to the dead
        # letters as a message of its own, with a date of its own.
        longest = queue == "RecoveryQueue" or queue in FIFO or queue in LANES
        expected = kept == 14 * days if longest else 1 * days < kept < 14 * days
        if not expected:
            yield f"{queue} leaves its messages or its dead letters no time"


@rule
def every_queue_is_encrypted_and_known(expanded: Expanded) -> Iterator[str]:
    queues = expanded.of_type("AWS::SQS::Queue")
    for name, properties in queues.items():
        if properties.get("SqsManagedSseEnabled") is not True and "KmsMasterKeyId" not in properties:
            yield f"{name} is not encrypted"
        if properties.get("QueueName") != FIFO.get(name):
            yield f"{name} is called {properties.get('QueueName')}"
    for name in sorted(set(queues) ^ {*DEAD_LETTER_QUEUES, *DEAD_LETTER_QUEUES.values(), "ScheduleDlq"}):
        yield f"{name} is missing, or no rule knows it"


@rule
def the_clock_calls_with_its_plain_event_and_no_tick_is_lost(expanded: Expanded) -> Iterator[str]:
    rules = expanded.of_type("AWS::Events::Rule")
    found = {
        target(event["Arn"]): properties.get("ScheduleExpression")
        for properties in rules.values()
        for event in properties["Targets"]
    }
    if found != SCHEDULED or len(rules) != len(SCHEDULED):
        yield f"the clock calls {found}"
    for name, properties in rules.items():
        if properties.get("State", "ENABLED") != "ENABLED":
            yield f"{name} is off"
        for event in properties["Targets"]:
            if {"Input", "InputPath", "InputTransformer"} & set(event):
                yield f"{name} changes the event"
            if target(event.get("DeadLetterConfig", {}).get("Arn")) != "ScheduleDlq":
                yield f"{name} drops what it cannot deliver"
            if "MaximumEventAgeInSeconds" not in event.get("RetryPolicy", {}):
                yield f"{name} delivers ticks that are a day old"


def _metrics(alarm: dict) -> list[dict]:
    """What an alarm looks at: one metric, or those of an expression."""
    stats = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    return stats or [alarm]


@rule
def every_dead_letter_queue_and_critical_function_has_an_alarm(expanded: Expanded) -> Iterator[str]:
    alarms = {
        (metric["MetricName"], target(dimension["Value"]))
        for alarm in expanded.of_type("AWS::CloudWatch::Alarm").values()
        for metric in _metrics(alarm)
        for dimension in metric["Dimensions"]
    }
    expected = {("ApproximateNumberOfMessagesVisible", name) for name in [*DEAD_LETTER_QUEUES.values(), "ScheduleDlq"]}
    expected |= {("Errors", "RefreshFunction"), ("Errors", "WebhookFunction"), ("Invocations", "RefreshFunction")}
    expected |= {("5XXError", "AWS::StackName")}
    expected |= {("ApproximateNumberOfMessagesVisible", "RecoveryQueue")}
    expected |= {("ApproximateNumberOfMessagesNotVisible", "RecoveryQueue")}
    for metric, name in sorted(expected - alarms):
        yield f"no alarm on {metric} of {name}"


@rule
def every_alarm_notifies_the_topic_if_there_is_one(expanded: Expanded) -> Iterator[str]:
    expected = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    for name, alarm in expanded.of_type("AWS::CloudWatch::Alarm").items():
        if alarm.get("AlarmActions") != expected:
            yield f"{name} notifies nobody"


@rule
def every_function_logs_into_a_group_of_its_own_with_retention(expanded: Expanded) -> Iterator[str]:
    for function in ROLES:
        group = function.replace("Function", "Logs")
        if expanded.properties(function).get("LoggingConfig", {}).get("LogGroup") != {"Ref": group}:
            yield f"{function} does not log into {group}"
    for name, properties in expanded.of_type("AWS::Logs::LogGroup").items():
        if properties.get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name} keeps its logs forever"
