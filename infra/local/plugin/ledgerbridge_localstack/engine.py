"""Runs another storage engine behind LocalStack's own DynamoDB provider.

The engine that LocalStack would download is a Java program under a licence that forbids passing it on.
"""

from __future__ import annotations

import os
from typing import Any

ENGINE_VARIABLE = "LEDGERBRIDGE_DYNAMODB_ENGINE"


def engine_command(engine: str, port: int) -> list[str]:
    """Returns the command that serves DynamoDB's API on a loopback port, in memory."""
    return [engine, "serve", "--host", "127.0.0.1", "--port", str(port)]


def replace_dynamodb_engine() -> None:
    """Makes LocalStack start the program that `LEDGERBRIDGE_DYNAMODB_ENGINE` names, and download nothing."""
    from localstack.services.dynamodb import packages, server

    engine = os.environ[ENGINE_VARIABLE]

    def install_nothing(_self: Any, _target: Any = None) -> None:
        return None

    def no_java(_self: Any) -> dict[str, str]:
        return {}

    def command(self: Any) -> list[str]:
        return engine_command(engine, self.port)

    packages.DynamoDBLocalPackageInstaller.install = install_nothing
    packages.DynamoDBLocalPackageInstaller.get_java_env_vars = no_java
    server.DynamodbServer._create_shell_command = command
