# Projects as modules of nixpkgs' Python set, which propagate what they depend on: for overlays and packageOverrides.
# Propagation knows no cycles, so projects that depend on each other are one module.
{ pkgs, python, project, scripts, storeName, collisions }:
packages:
let
  inherit (pkgs) lib;
  dependenciesOf = name: builtins.filter (other: packages ? ${other}) (packages.${name}.dependencies or [ ]);

  # NAME -> all that it leads to, itself included, as a set for quick look-ups
  reached = builtins.mapAttrs
    (name: _: builtins.listToAttrs (map (item: { name = item.key; value = true; }) (builtins.genericClosure {
      startSet = [ { key = name; } ];
      operator = item: map (key: { inherit key; }) (dependenciesOf item.key);
    })))
    packages;
  # The strongly connected component of a project, sorted; its first member names it.
  componentOf = builtins.mapAttrs (name: all: builtins.filter (other: reached.${other} ? ${name}) (builtins.attrNames all)) reached;

  make = members:
    let
      first = packages.${builtins.head members};
      outside = lib.subtractLists members (lib.concatMap dependenciesOf members);
      modules = map (name: byComponent.${builtins.head componentOf.${name}}) outside;
    in
    python.pkgs.toPythonModule (pkgs.stdenv.mkDerivation {
      name = storeName "${python.libPrefix}-${lib.concatStringsSep "-" members}-${first.version}";
      phases = [ "preparePhase" "installPhase" "fixupPhase" ];
      # there are links alone
      dontStrip = true;
      dontPatchELF = true;
      dontPatchShebangs = true;
      propagatedBuildInputs = lib.unique modules ++ [ python ];
      preparePhase = project.prepare;
      passAsFile = [ "machInfo" ];
      machInfo = builtins.toJSON {
        inherit (python) sitePackages executable interpreter;
        inherit collisions;
        module = true;
        projects = map (name: { inherit name; inherit (packages.${name}) version; path = "${packages.${name}}"; }) members;
        copy = pkgs.stdenv.hostPlatform.isDarwin;
      };
      installPhase = "${project.run scripts."compose_environment.py"} \"$machInfoPath\" \"$out\"";
      passthru = {
        # of several members, each with its name and version
        machProjects = lib.genAttrs members (name: packages.${name});
      };
      meta = first.meta or { };
    });
  byComponent = lib.genAttrs (lib.unique (map builtins.head (builtins.attrValues componentOf))) (first: make componentOf.${first});
in
# one derivation for all members of a component, which each of them goes by
builtins.mapAttrs
  (name: members: byComponent.${builtins.head members} // { pname = name; inherit (packages.${name}) version; })
  componentOf
