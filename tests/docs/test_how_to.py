"""Every command line on a page of docs/how-to is one that mach has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from api.cli.commands import cli
from tests.docs.error_codes import ROOT

PAGES = sorted((ROOT / "docs/how-to").glob("*.md"))


def command_lines(page: Path) -> list[list[str]]:
    """Return the words of each line that begins with ``mach`` in a block of code."""
    blocks = re.findall(r"^```\w*\n(.+?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("mach ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_exist(page: Path) -> None:
    assert command_lines(page), "a how-to shows how to"
    for words in command_lines(page):
        command: click.Command = cli
        context = click.Context(cli, info_name="mach")
        rest = words[1:]
        while isinstance(command, click.Group):
            _, found, rest = command.resolve_command(context, list(rest))
            assert found is not None, words
            command = found
            context = click.Context(command, info_name=command.name, parent=context)
        command.make_parser(context).parse_args(list(rest))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
