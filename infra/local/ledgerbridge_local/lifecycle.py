"""`up` and `down`: every step can be done again, and does only what is left to do."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from . import deploy, localstack, processes, settings, simulator, stack_env
from . import record as records
from .admin_key import create_admin_key
from .aws import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Aws
from .cargo_tools import prepare_engine
from .commands import end_all, run_shown
from .console import say
from .errors import StackError
from .locks import exclusive
from .outputs import outputs_environment
from .paths import CACHE, Stack
from .prerequisites import check
from .python import find_python
from .venvs import prepare_venv

# A product's page on the developer's machine, so that `returnUrl` can be tried.
RETURN_URL = "http://localhost:3000/connected"


def up(stack: Stack) -> None:
    """Starts the stack, or brings a running one up to date."""
    check(stack)
    # Read first: a bad line should not cost minutes.
    overrides = settings.read_environment_file(stack.environment_file) if stack.environment_file else {}
    with exclusive(stack.state / "lock"):
        was_complete = localstack.is_running(stack) and stack.stack_env.exists()
        try:
            _up(stack, overrides)
        except KeyboardInterrupt:
            end_all()
            if not was_complete:
                say("interrupted: stopping what was started")
                _down(stack)
            raise
    say(f"the stack is up; `{stack.commands_prefix}make down` stops it")


def down(stack: Stack) -> None:
    """Stops what `up` started; stopping nothing is fine."""
    with exclusive(stack.state / "lock"):
        _down(stack)
    say("the stack is down")


def prepare_tools(stack: Stack) -> None:
    """Installs below the checkout what is not there yet."""
    with exclusive(CACHE / "lock"), ThreadPoolExecutor(max_workers=2) as pool:
        futures: list[Future[Path]] = []
        try:
            if not stack.docker:
                futures.append(pool.submit(prepare_engine))
            python = find_python()
            for name in ("tools",) if stack.docker else ("localstack", "tools"):
                prepare_venv(name, python)
            for future in futures:
                future.result()
        except BaseException:
            # The pool would otherwise wait for minutes.
            end_all()
            raise


def _up(stack: Stack, overrides: dict[str, str]) -> None:
    prepare_tools(stack)
    if not localstack.is_running(stack) or records.load(stack).first_deployment_failed:
        # LocalStack keeps nothing, so whatever was known about an earlier one is wrong.
        _down(stack)
        say(f"starting LocalStack on {stack.endpoint}")
        localstack.start(stack)
    say("building the functions, the simulator and the command line tool")
    run_shown("cargo build", ["cargo", "build", "--locked", "--workspace", "--bins"])
    localstack.wait_until_ready(stack)
    simulator.ensure_running(stack)

    aws = Aws(stack.endpoint)
    simulator.put_provider_secrets(aws)
    deploy.bring_up_to_date(stack, aws)
    outputs = aws.stack_outputs(deploy.STACK_NAME)
    api_url = public_url(stack, outputs)
    local = {"PUBLIC_URL": api_url, "RETURN_URLS": RETURN_URL, **simulator.addresses(stack)}
    settings.apply(stack, aws, {**local, **overrides})
    _write_stack_env(stack, outputs, api_url)
    say(f"addresses and names are in {stack.stack_env}")


def public_url(stack: Stack, outputs: dict[str, str]) -> str:
    """Returns where the front door answers: LocalStack serves a REST API below a path of its own."""
    try:
        return f"{stack.endpoint}/_aws/execute-api/{outputs['ApiId']}/{outputs['ApiStage']}"
    except KeyError as missing:
        raise StackError(f"the template has no output {missing}") from None


def _write_stack_env(stack: Stack, outputs: dict[str, str], api_url: str) -> None:
    named = outputs_environment(outputs)
    key = stack_env.read(stack).get("ADMIN_API_KEY") or create_admin_key(stack, named)
    stack_env.write(
        stack,
        {
            **named,
            "ADMIN_API_KEY": key,
            "API_URL": api_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_ENDPOINT_URL": stack.endpoint,
            "AWS_REGION": REGION,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            # The template only knows addresses of AWS.
            "CALLBACK_URL": f"{api_url}/auth/quickbooks/callback",
            "XERO_CALLBACK_URL": f"{api_url}/auth/xero/callback",
            "ZOHO_CALLBACK_URL": f"{api_url}/auth/zoho/callback",
            "ENVIRONMENT": "local",
            "PROVIDER_SECRETS_ID": simulator.SECRET_NAME,
            "SIMULATOR_URL": stack.simulator_url,
            "WEBHOOK_URL": f"{api_url}/webhooks/quickbooks",
        },
    )


def _down(stack: Stack) -> None:
    # First, so that nobody trusts the addresses of a stack that is going.
    stack.stack_env.unlink(missing_ok=True)
    localstack.stop(stack)
    simulator.stop(stack)
    orphans = processes.leftovers(stack.state)
    if orphans:
        say(f"ending {len(orphans)} processes that lost their parent")
        processes.end(orphans, seconds=5)
    shutil.rmtree(stack.run, ignore_errors=True)
