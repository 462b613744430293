# mach itself, built from its own lock (mach.lock, made by .ci/lock_mach.py) by its own library.
# library: the functions of nix/lib/library.nix. lock: the value of the lock. source: the folder of the repository.
{ pkgs, library, lock, source }:
let
  inherit (pkgs) lib;

  # The lock names no registry, and nixpkgs knows its file host: mirror://pypi/ is the folder packages/source/ there,
  # beside which the path in the lock leads on (curl resolves the dots). The hash is the lock's.
  fetch = artifact:
    let found = builtins.match "https?://[^/]+/packages/([-A-Za-z0-9._+/]+)" artifact.url; in
    if found == null then throw "mach: ${builtins.toJSON artifact.url} in mach's own lock does not lie below packages/"
    else pkgs.fetchurl { name = artifact.filename; url = "mirror://pypi/../${builtins.head found}"; inherit (artifact) sha256; };
  located = artifact: if artifact.type == "url" then artifact // { type = "given"; source = fetch artifact; } else artifact;
  ofPins = holder: holder // { pins = map (pin: pin // { artifact = located pin.artifact; }) holder.pins; };
  fetched = lock // {
    targets = map ofPins lock.targets;
    build-closures = builtins.mapAttrs (_: ofPins) lock.build-closures;
    tools = builtins.mapAttrs (_: located) lock.tools;
  };

  # What the distribution is made of: an edit of tests or documentation builds nothing.
  folders = [ "api" "crawler" "db" "nix" "resolver" ];
  files = [ "LICENSE" "NOTICE" "README.md" "pyproject.toml" ];
  isPart = path: _:
    let
      inside = lib.removePrefix (toString source + "/") (toString path);
      first = builtins.head (lib.splitString "/" inside);
    in
    (builtins.elem first folders || builtins.elem inside files) && baseNameOf path != "__pycache__";

  # The python3 of this nixpkgs, or the newest that it has and for whose patch version the lock holds.
  inherit (pkgs.stdenv.hostPlatform) system;
  short = lib.versions.majorMinor;
  targets = builtins.filter (target: target.system == system) lock.targets;
  attributes = [ "python3" ] ++ map (target: "python${lib.replaceStrings [ "." ] [ "" ] (short target.python)}") (lib.reverseList targets);
  # an interpreter that was removed may be there, and throw
  versionOf = name: let found = builtins.tryEval (pkgs.${name}.version or null); in if found.success then found.value else null;
  there = builtins.filter (name: versionOf name != null) attributes;
  admits = version: target:
    short target.python == short version
    && builtins.compareVersions version (builtins.elemAt target.python-interval 0) >= 0
    && builtins.compareVersions version (builtins.elemAt target.python-interval 1) < 0;
  fitting = builtins.filter (name: builtins.any (admits (versionOf name)) targets) there;
  said = target: "from ${builtins.elemAt target.python-interval 0} up to but not including ${builtins.elemAt target.python-interval 1}";
  refuse = reason: throw "mach: the program mach is built from mach's own lock, which ${reason}, or pass the import a mach that is built already, program = (import ./mach { pkgs = NEWER; }).mach;";
  python =
    if targets == [ ] then refuse "has no target for ${system}: pass a nixpkgs of another system as pkgs"
    else if fitting == [ ] then
      refuse "holds for Python ${lib.concatMapStringsSep ", " said targets}, and this nixpkgs has ${if there == [ ] then "none of these" else lib.concatStringsSep ", " (lib.unique (map versionOf there))}: pass a newer nixpkgs as pkgs"
    else builtins.head fitting;
in
library.buildPythonApplication {
  lock = fetched;
  root = source;
  pname = "mach-resolver";
  inherit python;
  src = builtins.path { path = source; name = "mach-source"; filter = isPart; };
  # what mach runs besides Nix: commits of git, build backends in a sandbox
  packagesExtra = [ (pkgs.gitMinimal or pkgs.git) ] ++ lib.optional pkgs.stdenv.hostPlatform.isLinux pkgs.bubblewrap;
  meta = {
    description = "Turns Python requirements into a Nix environment that can be built again, bit for bit";
    mainProgram = "mach";
  };
}
