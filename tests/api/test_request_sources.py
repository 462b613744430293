"""Request files and settings through the command line: what is asked for, said, and refused."""

from __future__ import annotations

import json

import httpx

from tests.e2e.machines import Machine
from tests.resolver.request_files import sha
from tests.support.world import World

PYTHON = ("--python", "3.11.9")
PROJECT = """\
[project]
name = "app"
requires-python = ">=3.11"
dependencies = ["requests<2.32"]

[project.optional-dependencies]
fast = ["idna<3.10"]

[dependency-groups]
dev = ["rich"]
"""


def pins(machine: Machine, name: str = "mach.lock") -> dict[str, str]:
    """Return project -> version of the only target of a lock."""
    (target,) = json.loads(machine.read(name))["targets"]
    return {pin["name"]: pin["version"] for pin in target["pins"]}


# ---- files


def test_a_pyproject_with_extras_and_groups(machine: Machine) -> None:
    machine.write("app/pyproject.toml", PROJECT)
    machine.mach("lock", "-r", "app/pyproject.toml", *PYTHON)
    plain = pins(machine, "app/mach.lock")
    assert plain["requests"] == "2.31.0"
    assert "rich" not in plain
    machine.mach("lock", "-r", "app/pyproject.toml", "--extra", "fast", "--group", "dev", *PYTHON)
    more = pins(machine, "app/mach.lock")
    assert "rich" in more
    assert more["idna"] == "3.7"
    told = machine.mach("lock", "-r", "app/pyproject.toml", "--extra", "fats", *PYTHON, code=2).stderr
    assert "hint: did you mean fast?" in told
    told = machine.mach("lock", "-r", "app/pyproject.toml", "--python", "3.10", code=2).stderr
    assert "app/pyproject.toml:3: requires-python is >=3.11, and the target is Python 3.10" in told


def test_a_script(machine: Machine) -> None:
    machine.write("tool.py", '# /// script\n# dependencies = ["idna<3.10"]\n# ///\n')
    machine.mach("lock", "-r", "tool.py", *PYTHON)
    assert pins(machine) == {"idna": "3.7"}


def test_a_requirements_file_does_not_include_other_kinds(machine: Machine) -> None:
    machine.write("pyproject.toml", PROJECT)
    machine.write("requirements.txt", "-r pyproject.toml\n")
    told = machine.mach("lock", "-r", "requirements.txt", code=2).stderr
    assert "hint: name it on the command line: -r pyproject.toml" in told
    assert "file-unsupported" in machine.mach("lock", "idna", "-c", "pyproject.toml", code=2).stderr


def uv_lock(world: World, machine: Machine, digest: str | None = None) -> str:
    """Return a uv.lock that holds idna at an older version, and write its project."""
    machine.write("pyproject.toml", '[project]\nname = "app"\ndependencies = ["idna"]\n')
    wheel = next(d for d in world.release("idna", "3.7") if d.filename.endswith(".whl"))
    digest = digest or f"sha256:{wheel.sha256}"
    return (
        'version = 1\n\n[[package]]\nname = "app"\nsource = { virtual = "." }\ndependencies = [{ name = "idna" }]\n\n'
        f'[[package]]\nname = "idna"\nversion = "3.7"\nsource = {{ registry = "{machine.index_url}" }}\n'
        f'wheels = [{{ url = "https://files.example/{wheel.filename}", hash = "{digest}" }}]\n'
    )


def test_a_lock_of_another_tool_holds_its_versions_and_hashes(machine: Machine, world: World) -> None:
    machine.write("uv.lock", uv_lock(world, machine))
    machine.mach("lock", "-r", "uv.lock", *PYTHON)
    assert pins(machine) == {"idna": "3.7"}
    assert machine.mach("lock", "-r", "uv.lock", *PYTHON, "--check", "--json").json["satisfied"] is True
    machine.write("uv.lock", uv_lock(world, machine, sha("0")))
    told = machine.mach("lock", "-r", "uv.lock", *PYTHON, "--check", code=1)
    assert "idna" in told.stderr
    assert "hash-mismatch" in machine.mach("lock", "-r", "uv.lock", *PYTHON, "-o", "new.lock", code=1).stderr


def test_what_mach_exports_as_pylock_locks_to_the_same(machine: Machine) -> None:
    machine.mach("lock", "requests<2.32", *PYTHON)
    machine.write("pylock.toml", machine.mach("export", "--format", "pylock").stdout)
    machine.mach("lock", "-r", "pylock.toml", *PYTHON, "-o", "again.lock")
    assert pins(machine, "again.lock") == pins(machine)


def test_a_service_takes_files_by_name_and_reads_no_settings(machine: Machine) -> None:
    machine.write("mach.toml", 'python = "3.12"\n')
    with machine.serve() as url, httpx.Client(base_url=url, timeout=60) as client:
        body = {"files": {"pyproject.toml": PROJECT}, "extras": ["fast"], "groups": ["dev"], "python": "3.11.9"}
        lock = client.post("/resolve", json=body).json()
        assert {"requests", "rich", "idna"} <= {pin["name"] for pin in lock["targets"][0]["pins"]}
        script = {"files": {"tool.py": '# /// script\n# dependencies = ["idna"]\n# ///\n'}}
        assert client.post("/resolve", json=script).json()["targets"][0]["python"].startswith("3.13.")
        for files, code in (
            ({"pyproject.toml": "["}, "invalid-toml"),
            ({"../Pipfile": ""}, "file-unsupported"),
            ({"pyproject.toml": '[project]\ndependencies = ["x @ file:///etc/passwd"]\n'}, None),
            ({"uv.lock": 'version = 1\n[[package]]\nname = "x"\nsource = { git = "https://x.example#1" }\n'}, None),
            ({"requirements.txt": "-r /etc/passwd"}, "nested-file-refused"),
        ):
            answer = client.post("/resolve", json={"files": files})
            assert answer.status_code == 400, answer.text
            assert code is None or answer.json()["code"] == code


# ---- settings


def test_a_project_is_locked_without_a_word(machine: Machine) -> None:
    assert "empty-request" in machine.mach("lock", code=2).stderr
    machine.write("pyproject.toml", PROJECT)
    told = machine.mach("lock", *PYTHON).stderr
    assert "asking for what pyproject.toml states" in told
    assert pins(machine)["requests"] == "2.31.0"
    machine.write("mach.toml", 'python = "3.11.9"\nrequirements = ["idna<3.10"]\nconstraints = ["idna<3.5"]\n')
    told = machine.mach("lock").stderr
    assert "asking for what mach.toml names" in told
    assert pins(machine) == {"idna": "3.4"}
    assert "using mach.lock, which satisfies the request" in machine.mach("gen").stderr


def test_the_lock_lies_beside_the_file_that_names_the_request(machine: Machine) -> None:
    (machine.home / ".git").mkdir()
    (machine.home / "src").mkdir()
    machine.write("mach.toml", 'python = "3.11.9"\nrequirements = ["idna"]\n')
    Machine(home=machine.home / "src", index_url=machine.index_url).mach("lock")
    assert pins(machine) == {"idna": "3.10"}


def test_options_go_before_variables_and_these_before_files(machine: Machine) -> None:
    machine.write("mach.toml", 'python = "3.12"\nproviders = { idna = "sdist" }\n')
    assert "Python 3.12." in machine.mach("lock", "certifi").stderr
    by_variable = Machine(home=machine.home, index_url=machine.index_url, environ={"MACH_PYTHON": "3.11"})
    assert "Python 3.11." in by_variable.mach("lock", "certifi").stderr
    assert "Python 3.13." in by_variable.mach("lock", "certifi", "--python", "3.13").stderr
    machine.write("mach.toml", 'prerelease = "disallow"\n[as-of]\nidna = "2000-01-01"\n')
    assert "idna" in machine.mach("lock", "idna", "--pre", code=1).stderr  # what is said of one project stays
    machine.mach("lock", "idna", "--as-of", "idna=2999-01-01", *PYTHON)


def test_a_setting_that_means_nothing_stops_with_its_place(machine: Machine) -> None:
    machine.write("mach.toml", 'providers = { numpy = "weel" }\n')
    told = machine.mach("lock", "idna", code=2).stderr
    assert "error[invalid-configuration]: mach.toml: providers.numpy: 'weel' is not a provider" in told
    machine.write("mach.toml", "provider = 1\n")
    assert "hint: did you mean providers" in machine.mach("lock", "idna", code=2).stderr
    assert "unknown-setting" in machine.mach("db", "status", code=2).stderr


def test_the_user_s_file_and_the_catalog_that_it_names(machine: Machine) -> None:
    machine.write(".config/mach/config.toml", 'db = "facts.sqlite3"\n')
    machine.mach("lock", "idna", *PYTHON)
    place = str(machine.home / ".config/mach/facts.sqlite3")
    assert machine.mach("db", "status", "--json").json["location"] == place
    assert machine.mach("db", "status", "--db", "other", "--json").json["location"] == "other"


def test_config_show_tells_values_and_sources(machine: Machine) -> None:
    machine.write("mach.toml", 'python = "3.12"\nindex-url = "https://me:secret@index.example/simple/"\n')
    machine.write(".config/mach/config.toml", 'prefer = "newest"\n')
    shown = {line["name"]: line for line in machine.mach("config", "show", "--json").json}
    assert shown["python"] == {"name": "python", "value": ["3.12"], "source": "mach.toml"}
    assert shown["prefer"]["source"] == str(machine.home / ".config/mach/config.toml")
    assert shown["resolution"] == {"name": "resolution", "value": "highest", "source": "default"}
    text = machine.mach("config", "show").stdout
    assert "secret" not in text
    assert '["3.12"]  # mach.toml' in text


def test_the_lock_option_takes_no_request_from_the_configuration(machine: Machine) -> None:
    machine.mach("lock", "idna", *PYTHON)
    expected = machine.mach("gen", "--lock", "mach.lock").stdout
    machine.write("mach.toml", 'python = "3.12"\nrequirements = ["certifi"]\n')
    assert machine.mach("gen", "--lock", "mach.lock").stdout == expected


def test_platforms_of_the_project(machine: Machine) -> None:
    machine.write("mach.toml", 'platforms = ["aarch64-darwin", "x86_64-linux"]\n')
    assert "on aarch64-darwin, x86_64-linux" in machine.mach("lock", "idna", *PYTHON).stderr
