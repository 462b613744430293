"""explain_failure.py INFO LOG: say in one sentence why a build failed, as far as the end of its LOG tells."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

#: Program -> the nixpkgs attribute that has it, where that is not its name.
PROGRAMS = {
    "curl-config": "curl",
    "f77": "gfortran",
    "f95": "gfortran",
    "flang": "gfortran",
    "gdal-config": "gdal",
    "geos-config": "geos",
    "icu-config": "icu",
    "krb5-config": "krb5",
    "libtoolize": "libtool",
    "mariadb_config": "libmysqlclient",
    "mysql_config": "libmysqlclient",
    "nc-config": "netcdf",
    "node": "nodejs",
    "npm": "nodejs",
    "pg_config": "libpq.pg_config",
    "protoc": "protobuf",
    "rustc": "rustc",
    "xml2-config": "libxml2",
    "xslt-config": "libxslt",
}
#: Header, library or pkg-config module -> the nixpkgs attribute that has it.
LIBRARIES = {
    "EGL": "libGL",
    "GL": "libGL",
    "GLESv2": "libGL",
    "GLU": "libGLU",
    "OpenCL": "ocl-icd",
    "alsa": "alsa-lib",
    "asound": "alsa-lib",
    "atk-1.0": "atk",
    "avcodec": "ffmpeg",
    "bluetooth": "bluez",
    "boost": "boost",
    "bz2": "bzip2",
    "bzlib": "bzip2",
    "cairo": "cairo",
    "crypto": "openssl",
    "cups": "cups",
    "curl": "curl",
    "dbus-1": "dbus",
    "ffi": "libffi",
    "fftw3": "fftw",
    "fontconfig": "fontconfig",
    "freetype": "freetype",
    "ft2build": "freetype",
    "freetype2": "freetype",
    "gdal": "gdal",
    "geos_c": "geos",
    "glib": "glib",
    "glib-2.0": "glib",
    "gmp": "gmp",
    "gobject-2.0": "glib",
    "gssapi": "krb5",
    "gssapi_krb5": "krb5",
    "gstreamer-1.0": "gst_all_1.gstreamer",
    "gtk-3": "gtk3",
    "hdf5": "hdf5",
    "hwloc": "hwloc",
    "jack": "libjack2",
    "jpeglib": "libjpeg",
    "jpeg": "libjpeg",
    "lber": "openldap",
    "ldap": "openldap",
    "libffi": "libffi",
    "libpq": "libpq",
    "libpq-fe": "libpq",
    "libusb-1.0": "libusb1",
    "libxml": "libxml2",
    "libxml-2.0": "libxml2",
    "libxslt": "libxslt",
    "lzma": "xz",
    "magic": "file",
    "mpi": "mpi",
    "mpfr": "mpfr",
    "mpc": "libmpc",
    "mysql": "libmysqlclient",
    "mysqlclient": "libmysqlclient",
    "nspr4": "nspr",
    "nss3": "nss",
    "odbc": "unixODBC",
    "openblas": "openblas",
    "openssl": "openssl",
    "pango-1.0": "pango",
    "pcap": "libpcap",
    "portaudio": "portaudio",
    "pq": "libpq",
    "proj": "proj",
    "pulse": "libpulseaudio",
    "rdkafka": "rdkafka",
    "sasl": "cyrus_sasl",
    "snappy": "snappy",
    "sndfile": "libsndfile",
    "sodium": "libsodium",
    "sql": "unixODBC",
    "sqlite3": "sqlite",
    "ssl": "openssl",
    "systemd": "systemd",
    "tbb": "tbb",
    "udev": "udev",
    "usb-1.0": "libusb1",
    "uuid": "libuuid",
    "vulkan": "vulkan-loader",
    "wayland-client": "wayland",
    "xcb": "xorg.libxcb",
    "xkbcommon": "libxkbcommon",
    "yaml": "libyaml",
    "z": "zlib",
    "zlib": "zlib",
    "zmq": "zeromq",
}
#: nixpkgs' stdenv has these; where they are missing, it is not a whole one.
COMPILERS = re.compile(r"([\w.]+-)*(gcc|g\+\+|cc|c\+\+|clang|clang\+\+|cpp|ld|ar|make)(-[\d.]+)?")

WORD = r"[A-Za-z0-9_+./-]{1,80}"
MISSING_PROGRAM = (
    rf"command '({WORD})' failed: No such file or directory",
    rf"unable to execute '({WORD})'",
    rf"FileNotFoundError: \[Errno 2\] No such file or directory: '({WORD})'",
    rf"\b({WORD}): (?:command )?not found$",
    rf"Program '({WORD})' not found",
    rf"Unknown compiler\(s\): \[\['({WORD})'",
    rf"No ({WORD}) executable found|\b({WORD}) executable (?:was )?not found",
    r"can't find (Rust) compiler",
    rf"CMake Error: CMake was unable to find a build program corresponding to \"({WORD})\"",
)
MISSING_HEADER = (rf"fatal error: '?({WORD}\.h\w*)'?(?: file not found|: No such file or directory)",)
MISSING_LIBRARY = (
    rf"cannot find -l({WORD})",
    rf"library not found for -l({WORD})",
    rf"No package '({WORD})' found",
    rf"Package '?({WORD})'?,? (?:was|required by [^\n]*) not found",
    rf"Dependency \"({WORD})\" not found",
    rf"Could (?:NOT|not) find ({WORD})",
)
MISSING_OBJECT = (rf"({WORD}): cannot open shared object file",)
MISSING_MODULE = (r"(?:ModuleNotFoundError|ImportError): No module named '?([A-Za-z0-9_.]{1,80})'?",)
NETWORK = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Could not resolve host",
    "Failed to establish a new connection",
)


def find(patterns: tuple[str, ...], log: str) -> str | None:
    """Return the word that the last match of any pattern captured."""
    last: tuple[int, str] | None = None
    for pattern in patterns:
        for match in re.finditer(pattern, log, re.MULTILINE):
            if last is None or match.start() > last[0]:
                last = match.start(), next(group for group in match.groups() if group)
    return None if last is None else last[1]


def advise(name: str, key: str, attribute: str | None) -> str:
    """Return what to do about something that nixpkgs has."""
    if attribute is None:
        return (
            f"a fixes entry for {name} brings it: {key} = [the nixpkgs attribute that has it] (mach gen --fixes FILE)"
        )
    return f'a fixes entry for {name} brings it: {key} = ["{attribute}"] (mach gen --fixes FILE)'


def find_attribute(soname: str) -> str | None:
    """Return the attribute of nixpkgs that has a library, by the name that binaries load it with: ``libGL.so.1``."""
    name = re.sub(r"\.so[0-9.]*$", "", soname.rpartition("/")[2]).removeprefix("lib")
    if re.fullmatch(r"X[A-Za-z0-9]+", name):
        return f"xorg.lib{name}"
    return LIBRARIES.get(name) or LIBRARIES.get(name.lower())


def explain(name: str, log: str) -> str | None:
    """Return why the build of *name* failed, or None where the log does not tell."""
    program = find(MISSING_PROGRAM, log)
    if program is not None:
        program = program.rpartition("/")[2]
        if COMPILERS.fullmatch(program):
            return f"the compiler {program!r} is missing: give pkgs a stdenv that has one (not stdenvNoCC)"
        if program == "Rust":
            return "the Rust compiler is missing: " + advise(name, "tools", 'cargo", "rustc')
        return f"the program {program!r} is missing: " + advise(name, "tools", PROGRAMS.get(program, program))
    header = find(MISSING_HEADER, log)
    if header == "Python.h":
        return "the interpreter has no headers (Python.h): pass the interpreter of nixpkgs itself as python"
    if header is not None:
        first = header.partition("/")[0]
        attribute = LIBRARIES.get(re.sub(r"\.h\w*$", "", header)) or LIBRARIES.get(re.sub(r"\.h\w*$", "", first))
        return f"the header {header!r} of a system library is missing: " + advise(name, "libraries", attribute)
    library = find(MISSING_LIBRARY, log)
    if library is not None:
        attribute = LIBRARIES.get(library) or LIBRARIES.get(library.lower())
        return f"the system library {library!r} is missing: " + advise(name, "libraries", attribute)
    loaded = find(MISSING_OBJECT, log)
    if loaded is not None:
        attribute = find_attribute(loaded)
        brings = f'["{attribute}"]' if attribute else "[the nixpkgs attribute that has it]"
        return (
            f"a file of its build closure loads the library {loaded!r}, which nobody has: a fixes entry for the "
            f"project of that file brings it: libraries = {brings} (mach gen --fixes FILE)"
        )
    module = find(MISSING_MODULE, log)
    if module is not None:
        return f"the Python module {module!r} is not in its build closure, which holds what the sdist says it requires"
    if any(text in log for text in NETWORK):
        return "it wants the network, which no build has"
    return None


def main() -> int:
    """Run the command."""
    info = json.loads(Path(sys.argv[1]).read_text())
    log = Path(sys.argv[2]).read_text(encoding="utf-8", errors="replace")
    reason = explain(info["name"], log)
    said = "its backend has said why above" if reason is None else reason
    print(f"mach: building {info['filename']!r} failed: {said}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
