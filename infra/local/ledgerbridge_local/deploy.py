"""Deploys the template with the SAM CLI, and changed code past it."""

from __future__ import annotations

import base64
import hashlib
import io
import platform
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import record as records
from .aws import Aws, AwsError, sdk_environment
from .commands import run_logged
from .console import say
from .paths import BINARIES, REPOSITORY, TEMPLATE, Stack
from .simulator import SECRET_NAME
from .venvs import venv_path

STACK_NAME = "ledgerbridge-local"
ARTIFACT_BUCKET = "ledgerbridge-local-artifacts"
# Logical names in the template and the programs that they run; the Makefile has a target for each.
FUNCTIONS = {
    "ApiFunction": "api",
    "OauthFunction": "oauth",
    "RefreshFunction": "refresh",
    "SyncFunction": "sync",
    "WebhookFunction": "webhook",
}
# The programs are built already when they are packed: in the development profile, which takes a fraction of the time.
PACK_ENVIRONMENT = {"PROFILE": "dev", "CARGO_BUILD": "true"}


def bring_up_to_date(stack: Stack, aws: Aws) -> None:
    """Deploys what changed since the last time."""
    record = records.load(stack)
    parameters = {
        "Architecture": _architecture(),
        "Environment": "local",
        "ProviderSecretsId": SECRET_NAME,
    }
    template = hashlib.sha256(TEMPLATE.read_bytes() + repr(sorted(parameters.items())).encode()).hexdigest()
    code = {name: _digest(BINARIES / program) for name, program in FUNCTIONS.items()}
    if record.template != template:
        say("deploying the template" if not record.template else "the template changed: deploying it")
        record.begun = True
        records.save(stack, record)
        _deploy_template(stack, aws, parameters)
        # CloudFormation leaves code alone that it believes unchanged.
        if record.code_sent_directly:
            _send_code(stack, aws, sorted(code))
        record.template, record.code = template, code
        records.save(stack, record)
    changed = sorted(name for name in code if record.code.get(name) != code[name])
    if changed:
        say(f"updating the code of {', '.join(FUNCTIONS[name] for name in changed)}")
        record.code_sent_directly = True
        records.save(stack, record)
        _send_code(stack, aws, changed)
        record.code = code
        records.save(stack, record)


def _deploy_template(stack: Stack, aws: Aws, parameters: dict[str, str]) -> None:
    sam = venv_path("tools") / "bin" / "sam"
    build = stack.run / "sam"
    environment = {**sdk_environment(stack.endpoint), **PACK_ENVIRONMENT, "SAM_CLI_TELEMETRY": "0"}
    run_logged(
        "sam build",
        [sam, "build", "--template-file", TEMPLATE, "--build-in-source", "--build-dir", build,
         "--cache-dir", stack.run / "sam-cache"],
        stack.logs / "sam-build.log",
        environment,
    )
    _make_bucket(aws)
    run_logged(
        "sam deploy",
        [sam, "deploy", "--template-file", build / "template.yaml", "--stack-name", STACK_NAME,
         # A bucket made here saves the stack that `--resolve-s3` would deploy first.
         "--s3-bucket", ARTIFACT_BUCKET, "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar",
         "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND",
         "--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())],
        stack.logs / "sam-deploy.log",
        environment,
    )


def _make_bucket(aws: Aws) -> None:
    try:
        aws.rest("s3", "PUT", f"/{ARTIFACT_BUCKET}")
    except AwsError as error:
        if error.status != 409:
            raise


def _send_code(stack: Stack, aws: Aws, names: list[str]) -> None:
    functions = aws.function_resources(STACK_NAME)

    def send(name: str) -> None:
        directory = stack.run / "code" / name
        run_logged(
            f"packing {name}",
            ["make", "--directory", REPOSITORY, f"build-{name}", f"ARTIFACTS_DIR={directory}"],
            stack.logs / f"pack-{name}.log",
            PACK_ENVIRONMENT,
        )
        archive = base64.b64encode(_zip(directory / "bootstrap")).decode()
        aws.rest("lambda", "PUT", f"/2015-03-31/functions/{functions[name]}/code", {"ZipFile": archive})
        aws.wait_until_updated(functions[name])

    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        list(pool.map(send, names))


def _zip(program: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap", time.localtime()[:6])
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, program.read_bytes())
    return buffer.getvalue()


def _architecture() -> str:
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
