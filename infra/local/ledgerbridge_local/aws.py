"""The few AWS calls that the local stack makes, against LocalStack, without an SDK to install first."""

from __future__ import annotations

import json
import os
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any

from .errors import StackError
from .http import Response, request

REGION = "us-east-1"
# LocalStack takes any; these are the ones its documentation uses.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"
UPDATE_SECONDS = 60.0


class AwsError(StackError):
    """An AWS call was answered with an error."""

    def __init__(self, operation: str, status: int, body: bytes) -> None:
        super().__init__(f"{operation} answered {status}: {body.decode(errors='replace')[:500]}")
        self.status = status
        self.body = body


def sdk_environment(endpoint: str) -> dict[str, str]:
    """Returns what points an AWS SDK or tool at the stack, and at nothing else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A profile of the person at the machine may name other endpoints.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@dataclass(frozen=True)
class Aws:
    """Speaks the AWS protocols to one endpoint; LocalStack reads the service from the signature and checks no more."""

    endpoint: str

    def json(self, service: str, target: str, body: dict[str, Any]) -> Any:
        """Calls a JSON service such as `secretsmanager` with a target such as `secretsmanager.CreateSecret`."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        return self._call(target, "POST", "/", service, headers, json.dumps(body).encode()).json()

    def query(self, service: str, **parameters: str) -> ElementTree.Element:
        """Calls a query service such as `cloudformation`."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode(parameters).encode()
        return ElementTree.fromstring(self._call(parameters["Action"], "POST", "/", service, headers, body).body)

    def rest(self, service: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Calls a REST service such as `lambda`."""
        headers = {"Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        answer = self._call(f"{method} {path}", method, path, service, headers, content)
        return answer.json() if answer.body else None

    def stack_outputs(self, stack_name: str) -> dict[str, str]:
        """Returns the outputs of a CloudFormation stack."""
        document = self.query("cloudformation", Action="DescribeStacks", StackName=stack_name, Version="2010-05-15")
        outputs = {}
        for output in document.iterfind(".//{*}Outputs/{*}member"):
            key, value = output.findtext("{*}OutputKey"), output.findtext("{*}OutputValue")
            if key and value is not None:
                outputs[key] = value
        return outputs

    def function_resources(self, stack_name: str) -> dict[str, str]:
        """Returns the names of a stack's functions by their logical names."""
        document = self.query(
            "cloudformation", Action="DescribeStackResources", StackName=stack_name, Version="2010-05-15"
        )
        return {
            resource.findtext("{*}LogicalResourceId") or "": resource.findtext("{*}PhysicalResourceId") or ""
            for resource in document.iterfind(".//{*}StackResources/{*}member")
            if resource.findtext("{*}ResourceType") == "AWS::Lambda::Function"
        }

    def function_environment(self, function: str) -> dict[str, str]:
        """Returns a function's environment variables."""
        configuration = self.rest("lambda", "GET", f"/2015-03-31/functions/{function}/configuration")
        return dict(configuration.get("Environment", {}).get("Variables", {}))

    def set_function_environment(self, function: str, variables: dict[str, str]) -> None:
        """Replaces a function's environment variables."""
        path = f"/2015-03-31/functions/{function}/configuration"
        self.rest("lambda", "PUT", path, {"Environment": {"Variables": variables}})

    def wait_until_updated(self, function: str) -> None:
        """Waits until the last change of a function is in force."""
        deadline = time.monotonic() + UPDATE_SECONDS
        while True:
            configuration = self.rest("lambda", "GET", f"/2015-03-31/functions/{function}/configuration")
            if configuration.get("State") == "Active" and configuration.get("LastUpdateStatus") == "Successful":
                return
            if "Failed" in (configuration.get("State"), configuration.get("LastUpdateStatus")):
                reason = configuration.get("LastUpdateStatusReason") or configuration.get("StateReason")
                raise StackError(f"the update of {function} failed: {reason}")
            if time.monotonic() > deadline:
                raise StackError(f"the update of {function} did not end within {UPDATE_SECONDS:.0f} s")
            time.sleep(0.1)

    def _call(
        self, operation: str, method: str, path: str, service: str, headers: dict[str, str], body: bytes | None
    ) -> Response:
        scope = f"{ACCESS_KEY_ID}/20000101/{REGION}/{service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        answer = request(method, self.endpoint + path, {**headers, "Authorization": authorization}, body)
        if answer.status >= 300:
            raise AwsError(operation, answer.status, answer.body)
        return answer
