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

  # The python3 of this nixpkgs, or the newest of the lock that it has.
  pythons = lib.unique (lib.concatMap (target: lib.optional (target.system == pkgs.stdenv.hostPlatform.system) (lib.versions.majorMinor target.python)) lock.targets);
  attributes = [ "python3" ] ++ map (version: "python${lib.replaceStrings [ "." ] [ "" ] version}") (lib.reverseList pythons);
  fitting = builtins.filter (name: pkgs ? ${name} && builtins.elem pkgs.${name}.pythonVersion pythons) attributes;
in
library.buildPythonApplication {
  lock = fetched;
  root = source;
  pname = "mach-resolver";
  python = if fitting == [ ] then null else builtins.head fitting;
  src = builtins.path { path = source; name = "mach-source"; filter = isPart; };
  # what mach runs besides Nix: commits of git, build backends in a sandbox
  packagesExtra = [ (pkgs.gitMinimal or pkgs.git) ] ++ lib.optional pkgs.stdenv.hostPlatform.isLinux pkgs.bubblewrap;
  meta = {
    description = "Turns Python requirements into a Nix environment that can be built again, bit for bit";
    mainProgram = "mach";
  };
}
