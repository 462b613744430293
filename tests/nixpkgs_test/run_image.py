"""run_image.py IMAGE.tar [ARG…]: run a docker archive in bubblewrap: no container engine, no network, no host files."""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    root = Path(folder, "root")
    root.mkdir()
    with tarfile.open(sys.argv[1]) as image:
        manifest = json.load(image.extractfile("manifest.json"))[0]
        config = json.load(image.extractfile(manifest["Config"]))["config"]
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                for member in layer:
                    member.mode |= 0o200
                    layer.extract(member, root, set_attrs=True, numeric_owner=False)
    env = [word for entry in config.get("Env", []) for word in ("--setenv", *entry.split("=", 1))]
    # (a test's private store may lie under /tmp)
    tmp = [] if any((root / "tmp").iterdir()) else ["--tmpfs", "/tmp"]
    command = sys.argv[2:] or config.get("Entrypoint", []) + config.get("Cmd", [])
    # the user of the image may write what everyone may
    shared = [
        path for path in root.rglob("*") if path.is_dir() and not path.is_symlink() and path.stat().st_mode & 0o002
    ]
    binds = [word for path in shared for word in ("--bind", str(path), f"/{path.relative_to(root)}")]
    mounts = ["--ro-bind", str(root), "/", *binds, "--proc", "/proc", "--dev", "/dev", *tmp]
    user, _, group = config.get("User", "").partition(":")
    ids = ["--uid", user, "--gid", group or user] if user else []
    options = ["--unshare-all", "--die-with-parent", "--clearenv", *env, "--chdir", config.get("WorkingDir") or "/"]
    sys.exit(subprocess.run(["bwrap", *mounts, *ids, *options, *command]).returncode)
