"""docs/reference/configuration.md against the table of settings: each has its row, and no row is about nothing."""

from __future__ import annotations

import re

import click
import pytest

from api.cli.commands import COMMANDS, cli
from api.cli.lock import lock
from api.cli.serve import serve
from api.config_keys import KEYS, Key
from tests.docs.error_codes import ROOT

PAGE = (ROOT / "docs/reference/configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z0-9-]+)` \| [^|]+ \| (.+) \| (?:yes|no) \|$", PAGE, re.MULTILINE))
#: Options that are about one command and not about a request, or say the same as a setting in another way.
NO_SETTING = {
    *("output", "check", "upgrade", "upgrades", "refresh", "as_json", "quiet", "verbose", "no_progress", "stats"),
    *("pre", "provider"),
    "editables",  # lines of requirements may begin with -e
}


def test_each_setting_has_its_row_in_the_order_of_the_table() -> None:
    assert list(ROWS) == [key.name for key in KEYS]
    assert dict(ROWS.items()) == {key.name: key.summary for key in KEYS}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_row_tells_whether_the_environment_has_it(key: Key) -> None:
    row = re.search(rf"^\| `{key.name}` \|.*\| (yes|no) \|$", PAGE, re.MULTILINE)
    assert row
    assert (row[1] == "yes") == key.environment


def test_every_option_that_makes_a_request_is_a_setting_and_the_other_way_round() -> None:
    """A new option of `mach lock` needs a line in api/config_keys.py, or one in this test that says why not."""
    options = {parameter.name for parameter in lock.params if isinstance(parameter, click.Option | click.Argument)}
    settings = {key.parameter for key in KEYS}
    assert options - settings == NO_SETTING & options
    assert settings - options == {"constraints"}


def test_each_variable_of_a_service_is_documented() -> None:
    documented = re.findall(r"^\| `(MACH_[A-Z_]+)` \| `(--[a-z-]+)` \|$", PAGE, re.MULTILINE)
    options = [parameter for parameter in serve.params if isinstance(parameter, click.Option)]
    assert documented == [(option.envvar, option.opts[0]) for option in options if option.envvar]
    assert all(option.envvar for option in options if option.expose_value and option.name != "help")


def test_the_command_that_shows_them_exists() -> None:
    assert "config" in COMMANDS
    assert cli.get_command(click.Context(cli), "config") is not None


def test_every_request_file_is_documented() -> None:
    page = (ROOT / "docs/reference/request-files.md").read_text()
    for name in ("pyproject.toml", "*.py", "uv.lock", "poetry.lock", "pylock.toml"):
        assert f"| `{name}`" in page
