# What a project takes of nixpkgs besides its own files, from the fixes that mach chose for the lock's pins.
# fixes: system -> provider -> "NAME VERSION" -> entries; later ones add to earlier ones.
# known: null, or the projects that some fix is for, where the lock is read from its own file.
{ pkgs, fixes, known }:
let
  inherit (pkgs) lib;
  system = pkgs.stdenv.hostPlatform.system;
  isAttribute = path: builtins.match "[A-Za-z_][A-Za-z0-9_'-]*([.][A-Za-z_][A-Za-z0-9_'-]*)*" path != null;

  # One attribute of nixpkgs, or the first of several names for it that this nixpkgs has.
  find = pin: entry: given:
    let
      names = lib.toList given;
      # an attribute that was removed may be there, and throw
      look = name:
        let drv = lib.attrByPath (lib.splitString "." name) null pkgs; in
        if !isAttribute name then throw "mach: ${builtins.toJSON name} is not an attribute of nixpkgs"
        else builtins.tryEval (if lib.isDerivation drv then drv else null);
      found = builtins.filter (result: result.success && result.value != null) (map look names);
    in
    if found != [ ] then (builtins.head found).value
    else throw "mach: this nixpkgs has no ${lib.concatStringsSep " or " names}, which ${pin.name} ${pin.version} takes (${entry.reason}): pass another nixpkgs as pkgs, or make this file anew with --fixes FILE, an entry of which says `replaces = true`";

  # ATTRIBUTE or ATTRIBUTE/FOLDER/… -> its path in the store.
  place = pin: entry: path:
    let parts = lib.splitString "/" path; in
    lib.concatStringsSep "/" ([ "${find pin entry (builtins.head parts)}" ] ++ builtins.tail parts);
in
pin:
let
  key = "${pin.name} ${pin.version}";
  chosen = fixes.${system}.${pin.provider} or { };
  entries = chosen.${key} or [ ];
  all = field: lib.concatMap (entry: map (find pin entry) (entry.${field} or [ ])) entries;
  merged = builtins.foldl' (settings: entry: settings // entry.settings or { } // builtins.mapAttrs (_: place pin entry) (entry.paths or { })) { } entries;
in
if known != null && pin.provider == "sdist" && builtins.elem pin.name known && !(chosen ? ${key}) then
  throw "mach: ${key} is in mach.lock since this file was made, and there are fixes for some versions of it: make it anew with mach env"
else
  {
    libraries = lib.unique (all "libraries");
    tools = lib.unique (all "tools");
    settings = merged;
    # patterns of libraries that its binaries may do without
    optional = lib.unique (lib.concatMap (entry: entry.optional or [ ]) entries);
    # takes what nixpkgs' own derivation of the project takes, too
    inherits = builtins.any (entry: entry.nixpkgs-inputs or false) entries;
  }
