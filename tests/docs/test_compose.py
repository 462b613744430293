"""docker-compose.yml and the Dockerfile: what a deployment relies on."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import click
import yaml

from api.cli.serve import serve
from tests.docs.error_codes import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_there_is_the_service_and_its_database() -> None:
    assert set(COMPOSE["services"]) == {"api", "postgres"}
    assert COMPOSE["services"]["api"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_each_service_says_when_it_is_healthy() -> None:
    for service in COMPOSE["services"].values():
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert "/healthz" in " ".join(COMPOSE["services"]["api"]["healthcheck"]["test"])


def test_no_secret_stands_in_the_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{name} must be a required variable"
            assert not re.search(r"://[^/@]+:[^/@]+@", value), f"{name} holds a password"


def test_data_survives_a_new_container() -> None:
    mounted = {volume.split(":")[0] for volume in COMPOSE["services"]["postgres"]["volumes"]}
    assert mounted == set(COMPOSE["volumes"])


def test_only_the_service_is_reachable_and_only_from_this_machine() -> None:
    assert "ports" not in COMPOSE["services"]["postgres"]
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"]["api"]["ports"])


def test_the_command_is_one_that_mach_has() -> None:
    for command in (COMPOSE["services"]["api"]["command"], re.findall(r'"([^"]+)"', DOCKERFILE.rsplit("CMD", 1)[1])):
        assert command[0] == "serve"
        with click.Context(serve, info_name="serve") as context:
            serve.make_parser(context).parse_args(command[1:])


def test_the_image_runs_without_root_and_holds_every_folder_of_the_distribution() -> None:
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    for folder in {name.split(".")[0] for name in folders}:
        assert f"COPY {folder} {folder}\n" in DOCKERFILE
