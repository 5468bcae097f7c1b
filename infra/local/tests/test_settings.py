"""Settings of the functions: the ENV_FILE format, and laying overrides over what the template gives."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from ledgerbridge_local import record as records
from ledgerbridge_local.aws import Aws
from ledgerbridge_local.errors import StackError
from ledgerbridge_local.paths import Stack
from ledgerbridge_local.settings import apply, read_environment_file


class FakeAws:
    """Functions with environments, as Lambda keeps them."""

    def __init__(self, environments: dict[str, dict[str, str]]) -> None:
        self.environments = environments
        self.updates: list[str] = []
        self.fails_on: str | None = None

    def function_resources(self, _stack_name: str) -> dict[str, str]:
        return {name: name for name in self.environments}

    def function_environment(self, function: str) -> dict[str, str]:
        return dict(self.environments[function])

    def set_function_environment(self, function: str, variables: dict[str, str]) -> None:
        if function == self.fails_on:
            raise StackError("as asked")
        self.environments[function] = dict(variables)
        self.updates.append(function)

    def wait_until_updated(self, function: str) -> None:
        pass


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr("ledgerbridge_local.paths.REPOSITORY", tmp_path)
    stack = Stack(port=4999, simulator_port=5999)
    stack.run.mkdir(parents=True)
    return stack


def as_aws(fake: FakeAws) -> Aws:
    return cast(Aws, fake)


def test_values_are_literal_to_the_end_of_the_line(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text('# a comment\n\nA=1\nB="quoted" $HOME # kept \nC=\nD=x=y\r\n')

    assert read_environment_file(file) == {"A": "1", "B": '"quoted" $HOME # kept ', "C": "", "D": "x=y"}


@pytest.mark.parametrize("line", ["secret-value-alone", "=x", "export A=1", "9A=1", " A=1", "A =1"])
def test_a_bad_line_is_named_by_file_and_line_and_not_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / "env"
    file.write_text(f"GOOD=1\n{line}\n")

    with pytest.raises(StackError) as raised:
        read_environment_file(file)

    assert f"{file}:2:" in str(raised.value)
    assert line not in str(raised.value)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("A=1\nA=2\n")

    with pytest.raises(StackError, match="twice"):
        read_environment_file(file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be read"):
        read_environment_file(tmp_path / "missing")


def test_overrides_win_and_unchanged_functions_are_left_alone(stack: Stack) -> None:
    aws = FakeAws({"api": {"A": "template", "B": "1"}, "sync": {"A": "mine"}})

    apply(stack, as_aws(aws), {"A": "mine"})

    assert aws.environments == {"api": {"A": "mine", "B": "1"}, "sync": {"A": "mine"}}
    assert aws.updates == ["api"]


def test_an_override_that_is_gone_gives_the_template_its_word_back(stack: Stack) -> None:
    aws = FakeAws({"api": {"A": "template"}})
    apply(stack, as_aws(aws), {"A": "mine", "NEW": "1"})

    apply(stack, as_aws(aws), {})

    assert aws.environments == {"api": {"A": "template"}}


def test_a_deployment_in_between_counts_as_the_new_template(stack: Stack) -> None:
    aws = FakeAws({"api": {"A": "old"}})
    apply(stack, as_aws(aws), {"A": "mine"})
    aws.environments["api"] = {"A": "new", "C": "3"}

    apply(stack, as_aws(aws), {"A": "mine"})
    apply(stack, as_aws(aws), {})

    assert aws.environments == {"api": {"A": "new", "C": "3"}}


@pytest.mark.parametrize("fails_on", ["api", "sync"])
def test_an_interrupted_change_leaves_no_override_behind(stack: Stack, fails_on: str) -> None:
    aws = FakeAws({"api": {"A": "template"}, "sync": {"A": "template"}})
    apply(stack, as_aws(aws), {"A": "first"})
    aws.fails_on = fails_on
    with pytest.raises(StackError):
        apply(stack, as_aws(aws), {"A": "second"})
    aws.fails_on = None

    apply(stack, as_aws(aws), {})

    assert aws.environments == {"api": {"A": "template"}, "sync": {"A": "template"}}


def test_only_a_first_deployment_that_failed_spoils_localstack(stack: Stack) -> None:
    assert not records.load(stack).first_deployment_failed

    records.save(stack, records.DeploymentRecord(begun=True))
    assert records.load(stack).first_deployment_failed

    records.save(stack, records.DeploymentRecord(begun=True, template="deployed"))
    assert not records.load(stack).first_deployment_failed
