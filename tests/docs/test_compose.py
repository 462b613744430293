"""docker-compose.yml and the Dockerfile: what a deployment relies on."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import click
import jsonschema_rs
import pytest
import yaml

from api.cli.commands import cli
from tests.docs.error_codes import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = [name for name, service in COMPOSE["services"].items() if service["image"] == "mach-resolver"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/cases/compose/compose-spec.json").read_text())
    jsonschema_rs.validator_for(schema).validate(COMPOSE)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(schema).validate({**COMPOSE, "services": {"api": {"comand": "serve"}}})


def test_there_are_the_service_its_crawlers_and_its_database() -> None:
    assert set(COMPOSE["services"]) == {"api", "crawler", "changes", "postgres"}
    assert COMPOSE["services"]["api"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_each_service_says_when_it_is_healthy_and_has_limits() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert set(service["deploy"]["resources"]["limits"]) >= {"cpus", "memory"}, name
        assert service["restart"] == "unless-stopped", name
    assert "/readyz" in " ".join(COMPOSE["services"]["api"]["healthcheck"]["test"])


def test_nothing_runs_as_root_or_may_become_it() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.fullmatch(r"(?!0\b|root\b)\w+(:\w+)?", service["user"]), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for name in OURS:
        assert COMPOSE["services"][name]["read_only"] is True, name
        assert COMPOSE["services"][name]["user"].split(":")[0] in DOCKERFILE, name


def test_no_secret_stands_in_the_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{name} must be a required variable"
            assert not re.search(r"://[^/@]+:[^/@]+@", value), f"{name} holds a password"


def test_who_serves_and_who_crawls_see_the_same_catalog_and_the_same_index() -> None:
    assert len({json.dumps(COMPOSE["services"][name]["environment"], sort_keys=True) for name in OURS}) == 1


def test_data_survives_a_new_container() -> None:
    mounted = {volume.split(":")[0] for volume in COMPOSE["services"]["postgres"]["volumes"]}
    assert mounted == set(COMPOSE["volumes"])


def test_only_the_service_is_reachable_and_only_from_this_machine() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert ("ports" in service) == (name == "api"), name


def test_the_commands_are_some_that_mach_has() -> None:
    in_image = re.findall(r'"([^"]+)"', DOCKERFILE.rsplit("CMD", 1)[1])
    for command in (in_image, *(COMPOSE["services"][name]["command"] for name in OURS)):
        found = cli.get_command(click.Context(cli), command[0])
        assert found is not None, command
        with click.Context(found, info_name=command[0]) as context:
            found.make_parser(context).parse_args(command[1:])


def test_the_image_runs_without_root_and_holds_every_folder_of_the_distribution() -> None:
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    for folder in {name.split(".")[0] for name in folders}:
        assert f"COPY {folder} {folder}\n" in DOCKERFILE
