"""LocalStack's view of an execution environment that is a plain process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

from .environment import FunctionEnvironment, FunctionSettings


class ProcessRuntimeExecutor(RuntimeExecutor):
    """Runs the `bootstrap` of a `provided` runtime on this machine."""

    def __init__(self, id: str, function_version: Any) -> None:
        super().__init__(id=id, function_version=function_version)
        self._environment: FunctionEnvironment | None = None

    @classmethod
    def prepare_version(cls, function_version: Any) -> None:
        """Unpacks the code, once for every environment of the version."""
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: Any) -> None:
        """Nothing was made that LocalStack does not remove itself."""

    def start(self, env_vars: dict[str, Any]) -> None:
        settings = self.function_version.config
        self._environment = FunctionEnvironment(
            FunctionSettings(
                code=Path(settings.code.get_unzipped_code_location()),
                timeout_seconds=int(settings.timeout),
                memory_mb=int(settings.memory_size),
                qualifier=str(self.function_version.id.qualifier),
            ),
            # LocalStack passes numbers, too.
            {name: str(value) for name, value in env_vars.items()},
        )
        self._environment.start()

    def invoke(self, payload: dict[str, str]) -> Any:
        if self._environment is None:
            raise LambdaRuntimeException("the execution environment was not started")
        report = self._environment.invoke(
            payload["invoke-id"], payload["payload"].encode(), payload["invoked-function-arn"], payload["trace-id"]
        )
        return InvocationResult(
            payload["invoke-id"], report.outcome.payload, is_error=report.outcome.is_error, logs=report.log
        )

    def stop(self) -> None:
        if self._environment:
            self._environment.stop()

    def get_logs(self) -> str:
        return self._environment.recent_log() if self._environment else ""

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        # Only LocalStack's own init program would call it, and that is not used here.
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"
