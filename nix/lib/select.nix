# The target of the lock that fits `pkgs` and `python`; where none does, one sentence that says why.
{ lock, pkgs, python }:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv) hostPlatform;
  refuse = sentence: throw "mach: ${sentence}";
  short = lib.versions.majorMinor;
  attribute = version: "python${lib.replaceStrings [ "." ] [ "" ] (short version)}";

  # ---- the interpreter
  ofSystem = builtins.filter (target: target.system == hostPlatform.system) lock.targets;
  wanted = attribute (builtins.head (ofSystem ++ lock.targets)).python;
  interpreter =
    if python != null then python
    else pkgs.${wanted} or (refuse "this nixpkgs has no ${wanted}: pass another nixpkgs as pkgs, or lock again for a Python that it has");
  isInterpreter = builtins.isAttrs interpreter && interpreter ? interpreter && interpreter ? pythonVersion;
  version =
    if interpreter ? sourceVersion.patch then
      with interpreter.sourceVersion; "${toString major}.${toString minor}.${toString patch}"
    else
      interpreter.version;

  # ---- the target
  describe = target: "${target.system} with Python ${short target.python}";
  fitting = builtins.filter (target: short target.python == interpreter.pythonVersion) ofSystem;
  target = builtins.head fitting;
  low = builtins.elemAt target.python-interval 0;
  high = builtins.elemAt target.python-interval 1;

  # ---- glibc, that of nixpkgs: a closure brings its own
  isGlibc = (hostPlatform.libc or "glibc") == "glibc";
  glibc = pkgs.stdenv.cc.libc.version or pkgs.glibc.version;
in
# only a lock that is read from its own file has a version: it may be newer than this text
if lib.versions.major (lock.lock-version or "1.0") != "1" then
  refuse "the lock has the form ${builtins.toJSON lock.lock-version}, and this file reads 1: make it anew with mach env"
else if interpreter ? python then
  refuse "python is an environment (${interpreter.name or "withPackages"}), not a bare interpreter: pass the interpreter itself, such as pkgs.${wanted}"
else if !isInterpreter then
  refuse "python is not an interpreter of nixpkgs: pass one such as pkgs.${wanted}"
else if (interpreter.implementation or "cpython") != "cpython" || (interpreter.executable or "") != "python${interpreter.pythonVersion}" then
  refuse "python is ${interpreter.name or "another interpreter"}, and the lock holds for plain CPython: pass one such as pkgs.${wanted}"
else if fitting == [ ] then
  refuse "the lock has no target for ${hostPlatform.system} with Python ${interpreter.pythonVersion}, it has ${lib.concatStringsSep ", " (map describe lock.targets)}: lock again with --platform and --python, or pass another python"
else if builtins.compareVersions version low < 0 || builtins.compareVersions version high >= 0 then
  refuse "python is ${version}, and the lock, resolved for ${target.python}, holds from ${low} up to but not including ${high}: lock again with --python ${version}, or pass another python"
else if target.glibc != null && !isGlibc then
  refuse "the locked wheels need glibc, and ${hostPlatform.system} of this nixpkgs is built on ${hostPlatform.libc}"
else if target.glibc != null && builtins.compareVersions glibc target.glibc < 0 then
  refuse "the locked wheels need glibc ${target.glibc} or newer, and this nixpkgs has ${glibc}: pass a newer nixpkgs as pkgs"
else
  { inherit target; python = interpreter; }
