"""The environment that a build backend runs in: wheels, installed into a folder of their own, and an interpreter."""

from __future__ import annotations

import shutil
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

import installer
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
from installer.utils import parse_entrypoints
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from resolver.errors import Unavailable

from .hook_failures import FailureClass, Refused
from .interpreters import Interpreter, describe_interpreter
from .sandbox_user import give_to_sandbox
from .sandbox_view import INSIDE, View, is_taken, lay_out_etc, lay_out_tools, view_system

__all__ = ["BuildEnvironment", "lay_out_driver"]

_PREFIX = INSIDE / "environment"
_DRIVER = INSIDE / "driver"
_DRIVERS = ("hook_driver.py", "hook_build_driver.py", "hook_seal.py", "hook_watch.py", "process_usage.py")
#: All wheels of one environment together.
_LARGEST = 16 << 30
_MOST_FILES = 500_000


class BuildEnvironment:
    """Wheels in a temporary folder, with what hooks need beside them; a context manager, usable for many hooks.

    Nothing of a wheel is run here, and no byte code is made.

    :param python: a CPython 3.8 or newer of this machine.
    :param wheels: files whose hashes the caller has checked, under the names that their index gives them.
    :raises Refused: on entry, ``unusable-wheel``.
    :raises Unavailable: ``interpreter-unusable``; ``no-temporary-space``.
    """

    def __init__(self, python: Path, wheels: Sequence[Path]) -> None:
        self.interpreter = describe_interpreter(python)
        self._wheels = tuple(wheels)
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="mach-build-"))
        try:
            self._lay_out(self._folder)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    @property
    def folder(self) -> Path:
        """Where it lies: ``environment``, as it is seen inside, and ``driver``.

        :raises RuntimeError: where the environment was not entered.
        """
        if self._folder is None:
            raise RuntimeError("the build environment is not there: it is a context manager")
        return self._folder

    @property
    def driver(self) -> list[str]:
        """The command that runs the driver inside, apart from the wheels."""
        return [str(self.interpreter.executable), "-I", "-S", str(_DRIVER / "hook_driver.py")]

    def view(self, source: Path) -> View:
        """Return what a sandbox sees that asks a backend of the tree *source*.

        :raises RuntimeError: where the environment was not entered.
        :raises Unavailable: ``interpreter-unusable`` where a sandbox has something else in its place.
        """
        folder = self.folder
        taken = [prefix for prefix in self.interpreter.prefixes if is_taken(prefix)]
        if taken:
            raise Unavailable(
                "interpreter-unusable",
                f"build backends cannot run in {str(self.interpreter.executable)!r}: "
                f"a sandbox has something else at {str(taken[0])!r}",
                hint="name a CPython that is installed elsewhere, below /usr, /opt or /nix/store for example",
            )
        system = view_system(etc=folder / "etc", empty=folder / "empty", prefixes=self.interpreter.prefixes)
        own = [(folder / name, INSIDE / name) for name in ("environment", "tools", "driver")]
        return View(folders=(*system.folders, *own, (source, INSIDE / "source")), links=system.links)

    def _lay_out(self, folder: Path) -> None:
        (folder / "empty").mkdir()
        lay_out_etc(folder / "etc")
        lay_out_tools(folder / "tools")
        lay_out_driver(folder / "driver")
        prefix = folder / "environment"
        (prefix / "bin").mkdir(parents=True)
        site_packages = prefix / "lib" / f"python{self.interpreter.series}" / "site-packages"
        site_packages.mkdir(parents=True)
        budget = _Budget()
        for wheel in self._wheels:
            _install(wheel, prefix, site_packages, self.interpreter, budget)
        # what is a link, or decides what Python is, comes last: a wheel may write anywhere below the prefix
        _lay_out_prefix(prefix, self.interpreter)
        give_to_sandbox(folder)


class _Budget:
    """Bytes and files that are left for the wheels of one environment."""

    def __init__(self) -> None:
        self.bytes = _LARGEST
        self.files = _MOST_FILES

    def take(self, wheel: Path, members: Sequence[zipfile.ZipInfo]) -> None:
        # zipfile reads no more of a member than its header says
        self.bytes -= sum(member.file_size for member in members)
        self.files -= len(members)
        if self.bytes < 0 or self.files < 0:
            raise _unusable(wheel.name, "it and those before it are larger than an environment may be")


def _unusable(filename: str, reason: str) -> Refused:
    return Refused(FailureClass.UNUSABLE_WHEEL, f"its build requirement {filename!r} cannot be installed: {reason}")


def lay_out_driver(folder: Path) -> None:
    """Put the driver and the library it uses into *folder*: the interpreter inside need not be mach's own."""
    import pyproject_hooks

    folder.mkdir()
    for name in _DRIVERS:
        shutil.copyfile(Path(__file__).with_name(name), folder / name)
    library = Path(pyproject_hooks.__file__).parent
    shutil.copytree(library, folder / library.name, ignore=shutil.ignore_patterns("__pycache__"))


def _lay_out_prefix(prefix: Path, interpreter: Interpreter) -> None:
    """Make *prefix* a virtual environment without the system's packages (PEP 405)."""
    names = ["python", f"python{interpreter.version[0]}", f"python{interpreter.series}"]
    try:
        for name in names:
            (prefix / "bin" / name).unlink(missing_ok=True)
            (prefix / "bin" / name).symlink_to(interpreter.executable)
        (prefix / "pyvenv.cfg").unlink(missing_ok=True)
        (prefix / "pyvenv.cfg").write_text(
            f"home = {interpreter.executable.parent}\n"
            "include-system-site-packages = false\n"
            f"version = {'.'.join(map(str, interpreter.version))}\n"
        )
        if not (prefix / "lib64").exists():
            (prefix / "lib64").symlink_to("lib")
    except IsADirectoryError as error:
        raise Refused(
            FailureClass.UNUSABLE_WHEEL, "its build requirements hold a folder in the place of the interpreter"
        ) from error


class _Members(WheelFile):
    """A wheel's own members, whatever its RECORD says: the caller checked the hash of the whole file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__(archive)
        self._archive = archive

    def get_contents(self) -> Iterator[Any]:
        for member in self._archive.infolist():
            if not member.is_dir():
                mode = member.external_attr >> 16
                with self._archive.open(member) as stream:
                    yield (member.filename, "", ""), stream, bool(stat.S_ISREG(mode) and mode & 0o111)


def _check_tags(wheel: Path, interpreter: Interpreter) -> str:
    """Return the project of *wheel*, which must run in *interpreter*."""
    try:
        project, _, _, tags = parse_wheel_filename(wheel.name)
    except (InvalidWheelFilename, ValueError) as error:
        raise _unusable(wheel.name, "that is not the name of a wheel") from error
    if tags.isdisjoint(interpreter.tags()):
        raise _unusable(
            wheel.name, f"it was built for another Python or platform than CPython {interpreter.series} here"
        )
    return project


def _install(wheel: Path, prefix: Path, site_packages: Path, interpreter: Interpreter, budget: _Budget) -> None:
    project = _check_tags(wheel, interpreter)
    try:
        with zipfile.ZipFile(wheel) as archive, warnings.catch_warnings():
            # byte code in a wheel is left out, as it should be
            warnings.simplefilter("ignore", RuntimeWarning)
            budget.take(wheel, archive.infolist())
            for member in archive.namelist():
                path = PurePosixPath(member)
                if path.is_absolute() or ".." in path.parts or "\0" in member or not path.parts:
                    raise _unusable(wheel.name, f"it holds a file with the path {member[:200]!r}")
            source = _Members(archive)
            if canonicalize_name(source.distribution) != project:
                raise _unusable(wheel.name, f"it is a wheel of {source.distribution[:200]!r}")
            if "entry_points.txt" in source.dist_info_filenames:
                for script, *_ in parse_entrypoints(source.read_dist_info("entry_points.txt")):
                    if PurePosixPath(script).name != script:
                        raise _unusable(wheel.name, f"it has a script with the name {script[:200]!r}")
            schemes = {
                "purelib": str(site_packages),
                "platlib": str(site_packages),
                "headers": str(prefix / "include" / "site" / f"python{interpreter.series}" / project),
                "scripts": str(prefix / "bin"),
                "data": str(prefix),
            }
            destination = SchemeDictionaryDestination(
                schemes, interpreter=str(_PREFIX / "bin" / "python"), script_kind="posix", overwrite_existing=True
            )
            installer.install(source, destination, {"INSTALLER": b"mach\n"})
    except (Refused, FileNotFoundError, MemoryError):
        raise
    except Exception as error:  # what a broken archive raises has no common base
        raise _unusable(wheel.name, f"it is broken ({type(error).__name__})") from error
    for place in (prefix / "bin").iterdir():
        if place.is_file():
            place.chmod(0o755)
