"""`samconfig.toml`: what plain `sam build` and `sam deploy` do."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from expansion import SAM_SETTINGS

ENVIRONMENTS = ["default", "staging", "prod", "local"]


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    return tomllib.loads(SAM_SETTINGS.read_text())


def deploy(settings: dict[str, Any], environment: str) -> dict[str, Any]:
    return settings[environment]["deploy"]["parameters"]


def overrides(settings: dict[str, Any], environment: str) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in deploy(settings, environment)["parameter_overrides"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_source_is_built_and_the_build_deployed(settings: dict[str, Any], environment: str) -> None:
    """A deployed source would upload the whole repository as each function's code."""
    assert settings[environment]["global"]["parameters"]["template_file"] == "infra/template.yaml"
    assert settings[environment]["build"]["parameters"]["build_in_source"] is True
    assert deploy(settings, environment)["template_file"] == ".aws-sam/build/template.yaml"


@pytest.mark.parametrize("environment", ["default", "staging", "prod"])
def test_nothing_reaches_aws_without_a_look_at_the_changes(settings: dict[str, Any], environment: str) -> None:
    assert deploy(settings, environment)["confirm_changeset"] is True


def test_production_is_protected_against_deletion(settings: dict[str, Any]) -> None:
    assert overrides(settings, "prod")["DeletionProtection"] == "true"


def test_environments_are_told_apart(settings: dict[str, Any]) -> None:
    stacks = {deploy(settings, environment)["stack_name"] for environment in ENVIRONMENTS}
    names = {overrides(settings, environment)["Environment"] for environment in ENVIRONMENTS}

    assert len(stacks) == len(names) == len(ENVIRONMENTS)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_deployment_may_not_name_roles(settings: dict[str, Any], environment: str) -> None:
    assert deploy(settings, environment)["capabilities"] == ["CAPABILITY_IAM"]
