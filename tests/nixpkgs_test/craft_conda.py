"""craft_conda.py DEST: small real conda packages (native with prefix placeholders, noarch python), for tests.

Needs gcc and zstd on the PATH, nothing else."""

import bz2
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

dest = pathlib.Path(sys.argv[1])
dest.mkdir(parents=True, exist_ok=True)
PREFIX = "/opt/anaconda1anaconda2anaconda3" + "_placeholder" * 16  # long, as conda-build's is


def tarball(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as t:
        for name, (data, mode) in sorted(files.items()):
            i = tarfile.TarInfo(name)
            i.mtime, i.mode = 315532800, mode
            if isinstance(data, str):
                i.type, i.linkname = tarfile.SYMTYPE, data
                t.addfile(i)
            else:
                i.size = len(data)
                t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-19", "-c", "--no-progress"], input=data, capture_output=True, check=True).stdout


def package(name, version, build, files, depends=(), noarch=None, link=None, ext="conda", subdir="linux-64"):
    paths = []
    for p, (data, _) in sorted(files.items()):
        e = {"_path": p, "path_type": "softlink" if isinstance(data, str) else "hardlink"}
        if not isinstance(data, str):
            e |= {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
            if PREFIX.encode() in data:
                e |= {"prefix_placeholder": PREFIX, "file_mode": "binary" if b"\0" in data else "text"}
        paths.append(e)
    index = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": list(depends),
        "subdir": "noarch" if noarch else subdir,
        "arch": None if noarch else "x86_64",
        "platform": None if noarch else "linux",
        "license": "MIT",
        "timestamp": 315532800000,
    }
    if noarch:
        index["noarch"] = noarch
    info = {
        "info/index.json": index,
        "info/paths.json": {"paths": paths, "paths_version": 1},
        "info/about.json": {"summary": "a test package"},
    }
    if link:
        info["info/link.json"] = link
    info = {k: (json.dumps(v, indent=2, sort_keys=True).encode(), 0o644) for k, v in info.items()}
    info["info/files"] = ("".join(f"{p}\n" for p in sorted(files)).encode(), 0o644)
    fn = f"{name}-{version}-{build}"
    if ext == "conda":
        with zipfile.ZipFile(dest / f"{fn}.conda", "w", zipfile.ZIP_STORED) as z:
            for n, d in (
                ("metadata.json", b'{"conda_pkg_format_version": 2}'),
                (f"pkg-{fn}.tar.zst", zstd(tarball(files))),
                (f"info-{fn}.tar.zst", zstd(tarball(info))),
            ):
                z.writestr(zipfile.ZipInfo(n, (1980, 1, 1, 0, 0, 0)), d)
    else:
        (dest / f"{fn}.tar.bz2").write_bytes(bz2.compress(tarball(files | info)))
    f = dest / (fn + ("." + ext))
    return index | {
        "fn": f.name,
        "md5": hashlib.md5(f.read_bytes()).hexdigest(),
        "sha256": hashlib.sha256(f.read_bytes()).hexdigest(),
        "size": f.stat().st_size,
    }


with tempfile.TemporaryDirectory() as t:
    t = pathlib.Path(t)
    (t / "lib.c").write_text(
        f'#include <stdio.h>\nconst char *greet_prefix(void) {{ return "{PREFIX}/share/greet"; }}\n'
        'void greet(void) { printf("greetings from %s\\n", greet_prefix()); }\n'
    )
    (t / "main.c").write_text("void greet(void);\nint main(void) { greet(); return 0; }\n")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-Wl,-soname,libgreet.so.1", "-o", "libgreet.so.1", "lib.c"],
        check=True,
        cwd=t,
    )
    subprocess.run(
        ["gcc", "-O1", "-o", "greet", "main.c", "./libgreet.so.1", "-Wl,-rpath,$ORIGIN/../lib"], check=True, cwd=t
    )
    lib, exe = (t / "libgreet.so.1").read_bytes(), (t / "greet").read_bytes()
x, r = 0o755, 0o644
recs = [
    package(
        "libgreet",
        "1.0",
        "h0_0",
        {
            "lib/libgreet.so.1": (lib, x),
            "lib/libgreet.so": ("libgreet.so.1", 0o777),
            "share/greet/greeting": (b"hi\n", r),
            "etc/greet.conf": (f"prefix = {PREFIX}\n".encode(), r),
        },
    ),
    package("greet", "1.0", "h0_0", {"bin/greet": (exe, x)}, ["libgreet >=1.0,<2.0a0"]),
    package(
        "pygreet",
        "1.0",
        "py_0",
        {
            "site-packages/pygreet/__init__.py": (b"def main():\n    print('pygreet')\n", r),
            "site-packages/pygreet-1.0.dist-info/METADATA": (
                b"Metadata-Version: 2.1\nName: pygreet\nVersion: 1.0\n",
                r,
            ),
        },
        ["python >=3.8"],
        "python",
        {"noarch": {"type": "python", "entry_points": ["pygreet = pygreet:main"]}, "package_metadata_version": 1},
        "tar.bz2",
    ),
]
for sub in ("linux-64", "noarch"):
    mine = [i for i in recs if i["subdir"] == sub]
    (dest / f"repodata-{sub}.json").write_text(
        json.dumps(
            {
                "info": {"subdir": sub},
                "repodata_version": 1,
                "packages": {
                    i["fn"]: {k: v for k, v in i.items() if k != "fn"} for i in mine if i["fn"].endswith(".bz2")
                },
                "packages.conda": {
                    i["fn"]: {k: v for k, v in i.items() if k != "fn"} for i in mine if i["fn"].endswith(".conda")
                },
            },
            indent=1,
            sort_keys=True,
        )
    )
