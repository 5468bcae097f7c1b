"""What LocalStack's plugin system loads; everything heavy is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

if TYPE_CHECKING:
    from .executor import ProcessRuntimeExecutor


class ProcessRuntimeExecutorPlugin(RuntimeExecutorPlugin):
    """Answers to `LAMBDA_RUNTIME_EXECUTOR=process`."""

    name = "process"

    def load(self, *_args: Any, **_kwargs: Any) -> type[ProcessRuntimeExecutor]:
        from .executor import ProcessRuntimeExecutor

        return ProcessRuntimeExecutor


@hooks.on_infra_start(priority=10)
def prepare_host_mode() -> None:
    """Swaps the DynamoDB engine and keeps every port on loopback, before LocalStack opens any."""
    from . import engine, loopback

    engine.replace_dynamodb_engine()
    loopback.listen_on_loopback_only()
