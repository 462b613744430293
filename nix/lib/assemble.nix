# A lock made into what a user builds: env, packages, python, shell, sources.
# inNixShell: nix-shell says so by itself; the whole is then the shell, too, for `nix-shell FILE`.
{ parts, scripts, lock, fixes, known, pkgs, python, overrides, mirrors, netrc, collisions, root, inNixShell ? false }@given:
let
  mirror = parts.mirrors { inherit mirrors; };
  pkgs =
    if given.pkgs != null then given.pkgs
    else if lock.nixpkgs == null then import <nixpkgs> { } # the lock does not pin one: whatever NIX_PATH says
    else import (mirror.nixpkgs lock.nixpkgs) { config = { }; overlays = [ ]; };
  inherit (pkgs) lib;
  selected = parts.select { inherit lock pkgs python; };
  files = builtins.mapAttrs (name: text: builtins.toFile "mach-${name}" text) scripts;

  inherit (parts.source { inherit pkgs mirror netrc root; inherit (selected) python; scripts = files; }) fetch storeName locate;
  fixesFor = parts.inherited { inherit pkgs; inherit (selected) python; fixesFor = parts.fixes { inherit pkgs fixes known; }; };
  scope = { inherit pkgs fetch storeName locate fixesFor project environment; inherit (selected) python; scripts = files; };
  use = part: extra: part (builtins.intersectAttrs (builtins.functionArgs part) (scope // extra));

  project = use parts.project { installer = fetch lock.tools.installer; };
  environment = use parts.environment { inherit collisions; };
  wheel = use parts.wheel { };
  sdist = use parts.sdist { hooks = fetch lock.tools.pyproject-hooks; inherit buildEnvironments crateArtifact; };
  crateArtifact = crate: { type = "url"; filename = "${crate.name}-${crate.version}.crate"; inherit (crate) url sha256; };
  attribute = use parts.attribute { };
  make = pin: { inherit wheel sdist; nixpkgs = attribute; }.${pin.provider} or (throw "mach: no provider ${builtins.toJSON pin.provider}, for ${pin.name}") pin;
  named = pins: builtins.listToAttrs (map (pin: { inherit (pin) name; value = make pin; }) pins);

  # A closure may hold sdists, which are built in closures of their own first. Digests in a lock that mach made
  # form no cycle.
  buildsOf = digest: map (pin: { key = pin.build; }) (builtins.filter (pin: pin ? build) (lock.build-closures.${digest}.pins or [ ]));
  isBuiltWithItself = digest: builtins.any (item: item.key == digest)
    (builtins.genericClosure { startSet = buildsOf digest; operator = item: buildsOf item.key; });
  buildEnvironments = builtins.mapAttrs
    (digest: closure:
      if isBuiltWithItself digest then
        throw "mach: the build closure ${builtins.toJSON digest} of the lock takes itself to be built, by ${lib.concatMapStringsSep ", " (pin: "${pin.name} ${pin.version}") (builtins.filter (pin: pin ? build) closure.pins)}: make the lock anew with mach lock"
      else environment {
        name = "build-environment";
        # a build says itself what it lacks
        checksLibraries = false;
        projects = builtins.attrValues (named closure.pins);
      })
    lock.build-closures;

  # overrides: final: prev: { NAME = prev.NAME.overrideAttrs …; }, applied in order
  packages = lib.fix (builtins.foldl' (layers: override: lib.extends override layers) (_: named selected.target.pins) overrides);

  # Nothing is propagated from derivation to derivation, so cycles between projects are no matter:
  # an environment takes every pin, and what overrides made them depend on.
  members = builtins.genericClosure {
    startSet = map (pin: { key = pin.name; }) selected.target.pins;
    operator = item: map (key: { inherit key; }) (packages.${item.key}.dependencies or [ ]);
  };
  projects = map (item: packages.${item.key}) (builtins.filter (item: packages ? ${item.key}) members);

  env = environment { name = "environment"; inherit projects; };
  # A shell takes editable projects from their working trees.
  editable = use parts.editable { };
  editables = builtins.listToAttrs (map (pin: { inherit (pin) name; value = editable pin; })
    (builtins.filter (pin: pin.artifact.editable or false) selected.target.pins));
  developed = map (item: editables.${item.key} or packages.${item.key}) (builtins.filter (item: packages ? ${item.key}) members);
  development = if editables == { } then env else environment {
    name = "development-environment";
    projects = developed;
  };
  closurePins = builtins.concatMap (closure: closure.pins) (builtins.attrValues lock.build-closures);

  made = {
    inherit env packages;
    inherit (selected) python;
    shell = parts.shell { inherit pkgs; env = development; };
    # command: null: the environment's Python.
    image = { name ? "mach-python", tag ? "latest", command ? null, stream ? false }:
      parts.image { inherit pkgs; } {
        inherit env name tag stream;
        command = if command == null then [ "${env}/bin/${selected.python.executable}" ] else command;
        programs = [ ];
      };
    # for the library of Nix users, which composes environments of its own
    inside = { inherit pkgs use environment projects developed fetch locate; inherit (selected) target; hasEditables = editables != { }; };
    # every file that a build fetches
    sources = map fetch (builtins.attrValues lock.tools
      ++ builtins.filter (artifact: artifact.type != "path" && artifact.type != "nixpkgs") (map (pin: pin.artifact) (selected.target.pins ++ closurePins))
      ++ map crateArtifact (builtins.concatMap (pin: pin.crates or [ ]) (selected.target.pins ++ closurePins)));
  };
in
builtins.seq selected (if inNixShell then made.shell // made else made)
