"""The template as CloudFormation gets to see it: expanded by the translator that AWS runs, too."""

from __future__ import annotations

import copy
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
SAM_SETTINGS = Path(__file__).parents[2] / "samconfig.toml"

# Function and what it calls itself.
FUNCTIONS = {
    "OauthFunction": "oauth",
    "WebhookFunction": "webhook",
    "RefreshFunction": "refresh",
    "SyncFunction": "sync",
    "ApiFunction": "api",
}
ROLES = {function: function.replace("Function", "Role") for function in FUNCTIONS}

Json = dict[str, Any]


@dataclass(frozen=True)
class Expanded:
    """The expanded template, with short ways to what rules ask about."""

    template: Json

    @property
    def resources(self) -> dict[str, Json]:
        return self.template["Resources"]

    def of_type(self, kind: str) -> dict[str, Json]:
        """Properties of all resources of a type, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def properties(self, name: str) -> Json:
        return self.resources.get(name, {}).get("Properties", {})

    def variables(self, function: str) -> Json:
        return self.properties(function).get("Environment", {}).get("Variables", {})


def read_source() -> Json:
    """The template as written, free to be changed."""
    return yaml_parse(TEMPLATE.read_text())


def expand(source: Json) -> Expanded:
    """Expands a template. The code's place is made up, since nothing is built or uploaded here."""
    source = copy.deepcopy(source)
    source["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    return Expanded(translator.translate(source, {}))


def target(value: Any) -> str:
    """Names what a property points to: `RefreshQueue`, `ConnectionsTable/index/due`; anything else as JSON."""
    match value:
        case str():
            return value
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]} | {"Fn::GetAtt": [str(name), "QueueName"]}:
            return name
        case {"Fn::Sub": str(text)}:
            return text.replace("${", "").replace(".Arn}", "") if text.startswith("${") and ".Arn}" in text else text
        case _:
            return json.dumps(value, sort_keys=True)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
