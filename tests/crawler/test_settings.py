"""The indexes come from pip's own configuration, in mach's order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pypi_simple
import pytest

from crawler.settings import IndexSettings, default_index, read_index_settings
from crawler.urls import Credentials
from resolver.errors import InputError


def read(tmp_path: Path, text: str = "", **environ: str) -> IndexSettings:
    file = tmp_path / "pip.conf"
    file.write_text(text)
    return read_index_settings(
        environ={
            "HOME": str(tmp_path / "home"),
            "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
            "PIP_CONFIG_FILE": str(file),
            # the machine's own /etc/pip.conf comes first and is overridden
            "PIP_EXTRA_INDEX_URL": "https://none.example/",
            **environ,
        }
    )


def test_the_default_is_what_pypi_simple_exports():
    assert default_index() == pypi_simple.PYPI_SIMPLE_ENDPOINT
    found = read_index_settings(environ={"PIP_CONFIG_FILE": "/dev/null"})
    assert found.indexes == (pypi_simple.PYPI_SIMPLE_ENDPOINT,)


def test_extra_indexes_come_before_the_main_one(tmp_path: Path):
    found = read(
        tmp_path,
        "[global]\nindex-url = https://main.example/simple\n",
        PIP_EXTRA_INDEX_URL="https://one.example/simple/ https://two.example/simple",
    )
    assert found.indexes == (
        "https://one.example/simple/",
        "https://two.example/simple/",
        "https://main.example/simple/",
    )


def test_install_counts_over_global_and_the_environment_over_both(tmp_path: Path):
    text = (
        "[global]\nindex_url = https://global.example/\ntimeout = 7\ncert = /global.pem\nproxy = http://proxy.example:1\n"
        "[install]\nindex-url = https://install.example/\ntimeout = 8\n[download]\nindex-url = https://no.example/\n"
    )
    found = read(tmp_path, text)
    assert found.indexes[-1] == "https://install.example/"
    assert (found.timeout, found.cert, found.proxy) == (8.0, "/global.pem", "http://proxy.example:1")
    found = read(tmp_path, text, PIP_INDEX_URL="https://env.example/", PIP_CERT="/env.pem", PIP_TIMEOUT="9")
    assert found.indexes[-1] == "https://env.example/"
    assert (found.timeout, found.cert) == (9.0, "/env.pem")


def test_the_users_file_is_read_where_no_other_is_named(tmp_path: Path):
    own = tmp_path / ".config/pip/pip.conf"
    own.parent.mkdir(parents=True)
    own.write_text("[global]\nindex-url = https://own.example/\n")
    environ = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / ".config"),
        "PIP_EXTRA_INDEX_URL": "https://x.example",
    }
    assert read_index_settings(environ=environ).indexes[-1] == "https://own.example/"
    assert read_index_settings(environ={**environ, "PIP_CONFIG_FILE": "/dev/null"}).indexes[-1] == default_index()


def test_folders_and_options_that_mach_does_not_honour_are_told(tmp_path: Path):
    found = read(
        tmp_path,
        "[global]\nindex-url = https://main.example/\nfind-links = /opt/wheels\n",
        PIP_EXTRA_INDEX_URL="file:///opt/simple",
        PIP_TRUSTED_HOST="main.example",
    )
    assert found.indexes == ("https://main.example/",)
    told = "\n".join(found.left_out)
    assert all(word in told for word in ("find-links", "trusted-host", "file:///opt/simple"))


def test_credentials_are_kept_apart_from_the_identity(tmp_path: Path):
    found = read(tmp_path, PIP_INDEX_URL="https://me:secret@main.example:8443/simple/")
    assert found.indexes[-1] == "https://main.example:8443/simple/"
    assert found.credentials == {"https://main.example:8443/simple/": Credentials("me", "secret")}
    assert "secret" not in repr(found)


def test_the_keyring_provider_is_pips_unless_mach_is_told(tmp_path: Path):
    text = "[global]\nkeyring-provider = subprocess\n"
    assert read(tmp_path).keyring == "disabled"
    assert read(tmp_path, text).keyring == "subprocess"
    assert read(tmp_path, text).left_out == ()
    assert read(tmp_path, text, PIP_KEYRING_PROVIDER="import").keyring == "import"
    environ = {"PIP_KEYRING_PROVIDER": "import", "PIP_CONFIG_FILE": "/dev/null"}
    assert read_index_settings(keyring_provider="auto", environ=environ).keyring == "auto"
    with pytest.raises(InputError) as caught:
        read(tmp_path, PIP_KEYRING_PROVIDER="magic")
    assert caught.value.code == "invalid-pip-configuration"


def test_netrc_is_taken_from_the_given_environment(tmp_path: Path):
    assert read(tmp_path).netrc is None
    assert read(tmp_path, NETRC=str(tmp_path / "netrc")).netrc == tmp_path / "netrc"


def test_a_named_index_stands_alone(tmp_path: Path):
    environ = {"PIP_INDEX_URL": "https://main.example/", "PIP_EXTRA_INDEX_URL": "https://extra.example/"}
    alone = read_index_settings(index_url="https://mine.example/simple", environ=environ)
    assert alone.indexes == ("https://mine.example/simple/",)
    both = read_index_settings(extra_index_urls=["https://mine.example/simple"], environ=environ)
    assert both.indexes == ("https://mine.example/simple/", "https://main.example/")
    with pytest.raises(InputError, match="not an http"):
        read_index_settings(index_url="file:///opt/simple", environ=environ)


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"PIP_NO_INDEX": "1"}, "no-index"),
        ({"PIP_INDEX_URL": "file:///opt/simple", "PIP_EXTRA_INDEX_URL": "file:///opt/more"}, "no-index"),
        ({"PIP_INDEX_URL": "main.example"}, "invalid-index-url"),
        ({"PIP_TIMEOUT": "soon"}, "invalid-pip-configuration"),
    ],
)
def test_a_configuration_that_names_no_index_is_an_error(tmp_path: Path, environ: dict[str, str], code: str):
    with pytest.raises(InputError) as caught:
        read(tmp_path, **environ)
    assert caught.value.code == code
    assert caught.value.hint


def test_a_broken_file_is_named(tmp_path: Path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "index-url = x\n")
    assert caught.value.code == "invalid-pip-configuration"
    assert str(tmp_path / "pip.conf") in caught.value.message


def test_reading_the_settings_imports_nothing_slow():
    code = (
        "import sys; from crawler.settings import configured_indexes; configured_indexes();"
        "print(sorted({'requests', 'pydantic', 'bs4', 'sqlalchemy', 'rich', 'pypi_simple'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
