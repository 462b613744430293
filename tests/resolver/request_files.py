"""Texts of request files for the tests: a pyproject.toml, and locks as other tools write them."""

from __future__ import annotations

from collections.abc import Sequence

from resolver.request_file import RequestFile, Selection
from resolver.request_files import parse_request_file
from resolver.requirement import Requirement
from resolver.target import Target, make_target

LINUX = make_target("x86_64-linux", "3.11.9")
LINUX_313 = make_target("x86_64-linux", "3.13.1")
MAC = make_target("aarch64-darwin", "3.11.9")

PYPROJECT = """\
[project]
name = "Demo.App"
requires-python = ">=3.10"
dependencies = [
    "requests[socks]>=2.31",
    "numpy<2; python_version < '3.12'",
    "numpy>=2; python_version >= '3.12'",
]

[project.optional-dependencies]
cli = ["click>=8", "rich"]
Every_Thing = ["demo-app[cli]; python_version < '3.13'", "attrs"]

[dependency-groups]
test = ["pytest", { include-group = "lint" }]
lint = ["ruff"]
own = ["demo.app[cli]"]
"""


def sha(letter: str) -> str:
    """Return a digest that can be told from others."""
    return "sha256:" + letter * 64


_REGISTRY = 'source = { registry = "https://index.example/simple" }'
_FILES = "https://files.example"
_MANY = "manylinux2014_x86_64"

UV_LOCK = f"""\
version = 1
revision = 3
requires-python = ">=3.10"
resolution-markers = [
    "python_full_version >= '3.12'",
    "python_full_version < '3.12'",
]

[[package]]
name = "demo-app"
version = "0.1"
source = {{ editable = "." }}
dependencies = [
    {{ name = "colorama", marker = "sys_platform == 'win32'" }},
    {{ name = "numpy", version = "1.26.4", {_REGISTRY}, marker = "python_full_version < '3.12'" }},
    {{ name = "numpy", version = "2.1.0", {_REGISTRY}, marker = "python_full_version >= '3.12'" }},
    {{ name = "requests", extra = ["socks"] }},
]

[package.optional-dependencies]
cli = [
    {{ name = "click" }},
]

[package.dev-dependencies]
dev = [
    {{ name = "pytest" }},
]

[package.metadata]
requires-dist = [
    {{ name = "click", marker = "extra == 'cli'", specifier = ">=8" }},
    {{ name = "numpy", marker = "python_full_version < '3.12'", specifier = "<2" }},
    {{ name = "numpy", marker = "python_full_version >= '3.12'", specifier = ">=2" }},
    {{ name = "requests", extras = ["socks"], specifier = ">=2.31" }},
]

[package.metadata.requires-dev]
dev = [{{ name = "pytest", specifier = ">=8" }}]

[[package]]
name = "click"
version = "8.1.7"
{_REGISTRY}
dependencies = [
    {{ name = "colorama", marker = "sys_platform == 'win32'" }},
]
wheels = [
    {{ url = "{_FILES}/click-8.1.7-py3-none-any.whl", hash = "{sha("c")}", size = 1 }},
]

[[package]]
name = "colorama"
version = "0.4.6"
{_REGISTRY}
sdist = {{ url = "{_FILES}/colorama-0.4.6.tar.gz", hash = "{sha("0")}" }}

[[package]]
name = "numpy"
version = "1.26.4"
{_REGISTRY}
resolution-markers = ["python_full_version < '3.12'"]
sdist = {{ url = "{_FILES}/numpy-1.26.4.tar.gz", hash = "{sha("1")}" }}
wheels = [
    {{ url = "{_FILES}/numpy-1.26.4-cp311-cp311-{_MANY}.whl", hash = "{sha("2")}" }},
    {{ url = "{_FILES}/numpy-1.26.4-cp311-cp311-macosx_11_0_arm64.whl", hash = "{sha("3")}" }},
    {{ url = "{_FILES}/numpy-1.26.4-cp311-cp311-win_amd64.whl", hash = "{sha("4")}" }},
]

[[package]]
name = "numpy"
version = "2.1.0"
{_REGISTRY}
resolution-markers = ["python_full_version >= '3.12'"]
wheels = [
    {{ url = "{_FILES}/numpy-2.1.0-cp313-cp313-{_MANY}.whl", hash = "{sha("5")}" }},
]

[[package]]
name = "pysocks"
version = "1.7.1"
{_REGISTRY}
wheels = [{{ url = "{_FILES}/PySocks-1.7.1-py3-none-any.whl", hash = "{sha("6")}" }}]

[[package]]
name = "pytest"
version = "8.3.0"
{_REGISTRY}
wheels = [{{ url = "{_FILES}/pytest-8.3.0-py3-none-any.whl", hash = "{sha("7")}" }}]

[[package]]
name = "requests"
version = "2.32.3"
{_REGISTRY}
wheels = [{{ url = "{_FILES}/requests-2.32.3-py3-none-any.whl", hash = "{sha("8")}" }}]

[package.optional-dependencies]
socks = [
    {{ name = "pysocks" }},
]
"""

POETRY_LOCK = f"""\
[[package]]
name = "click"
version = "8.1.7"
description = ""
optional = true
python-versions = ">=3.7"
groups = ["main"]
markers = "extra == \\"cli\\""
files = [{{file = "click-8.1.7-py3-none-any.whl", hash = "{sha("c")}"}}]

[package.dependencies]
colorama = {{version = "*", markers = "platform_system == \\"Windows\\""}}

[[package]]
name = "colorama"
version = "0.4.6"
description = ""
optional = false
python-versions = "!=3.0.*,>=2.7"
groups = ["main", "dev"]
markers = {{main = "platform_system == \\"Windows\\" and extra == \\"cli\\"", dev = "sys_platform == \\"win32\\""}}
files = [{{file = "colorama-0.4.6.tar.gz", hash = "{sha("0")}"}}]

[[package]]
name = "Py.Test"
version = "8.3.0"
description = ""
optional = false
python-versions = ">=3.8"
groups = ["dev"]
files = [{{file = "py_test-8.3.0-py3-none-any.whl", hash = "{sha("7")}"}}]

[package.dependencies]
colorama = {{version = "*", markers = "sys_platform == \\"win32\\""}}

[[package]]
name = "requests"
version = "2.32.3"
description = ""
optional = false
python-versions = ">=3.8"
groups = ["main"]
files = [{{file = "requests-2.32.3-py3-none-any.whl", hash = "{sha("8")}"}}]

[extras]
cli = ["click"]

[metadata]
lock-version = "2.1"
python-versions = "^3.10"
content-hash = "0"
"""

OLD_POETRY_LOCK = f"""\
[[package]]
name = "app-dirs"
version = "1.0"
category = "main"
optional = false
python-versions = "*"

[package.dependencies]
colorama = {{version = ">=0.4", markers = "sys_platform == 'win32'"}}
two = "*"

[[package]]
name = "colorama"
version = "0.4.6"
category = "main"
optional = false
python-versions = "*"

[[package]]
name = "linter"
version = "3.0"
category = "dev"
optional = false
python-versions = "*"

[[package]]
name = "one"
version = "1.0"
category = "main"
optional = false
python-versions = "*"

[package.dependencies]
two = "*"

[[package]]
name = "two"
version = "2.0"
category = "main"
optional = false
python-versions = "*"

[package.dependencies]
One = "*"

[metadata]
lock-version = "1.1"
python-versions = ">=3.8"
content-hash = "0"

[metadata.files]
app-dirs = [{{file = "app_dirs-1.0-py3-none-any.whl", hash = "{sha("a")}"}}]
colorama = []
linter = []
one = [{{file = "one-1.0-py3-none-any.whl", hash = "{sha("1")}"}}]
two = [{{file = "two-2.0-py3-none-any.whl", hash = "{sha("2")}"}}]
"""

PYLOCK = f"""\
lock-version = "1.0"
created-by = "hand"
requires-python = ">=3.10"
extras = ["cli"]
dependency-groups = ["dev"]

[[packages]]
name = "click"
version = "8.1.7"
marker = "'cli' in extras"
index = "https://index.example/simple"
wheels = [{{ url = "https://files.example/click-8.1.7-py3-none-any.whl", hashes = {{ sha256 = "{"c" * 64}" }} }}]

[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
sdist = {{ url = "https://files.example/colorama-0.4.6.tar.gz", hashes = {{ sha256 = "{"0" * 64}" }} }}

[[packages]]
name = "demo-app"
directory = {{ path = ".", editable = true }}

[[packages]]
name = "pytest"
version = "8.3.0"
marker = "'dev' in dependency_groups"
wheels = [{{ url = "https://files.example/pytest-8.3.0-py3-none-any.whl", hashes = {{ sha256 = "{"7" * 64}" }} }}]

[[packages]]
name = "requests"
version = "2.32.3"
index = "https://index.example/simple"
wheels = [{{ url = "https://files.example/requests-2.32.3-py3-none-any.whl", hashes = {{ sha256 = "{"8" * 64}" }} }}]
"""

TEXTS = {
    "pyproject.toml": PYPROJECT,
    "uv.lock": UV_LOCK,
    "poetry.lock": POETRY_LOCK,
    "pylock.toml": PYLOCK,
    "script.py": '# /// script\n# requires-python = ">=3.10"\n# dependencies = ["requests<3", "rich"]\n# ///\n',
}


def read(
    name: str,
    text: str | None = None,
    *,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    all_extras: bool = False,
    targets: Sequence[Target] = (LINUX,),
) -> RequestFile:
    """Return what a file asks for; its text is the one above where none is given."""
    selection = Selection.of(extras, groups, all_extras=all_extras)
    return parse_request_file(TEXTS[name] if text is None else text, name, selection, targets)


def texts(requirements: Sequence[Requirement]) -> list[str]:
    """Return requirements as texts, in their order."""
    return [str(requirement) for requirement in requirements]


def holding(requirements: Sequence[Requirement], target: Target) -> dict[str, str]:
    """Return project -> specifier of those requirements whose marker holds on a target."""
    return {
        r.project: str(r.specifier)
        for r in requirements
        if r.marker is None or r.marker.evaluate(dict(target.environment))
    }
