# Files of an index by project and version: what a lock has of them, or what a URL and a hash say.
{ lib, arguments, parts, scripts, given, readLock, folderOf, pkgs }:
let
  takes = { pname = "text"; version = "text"; filename = "text"; url = "text"; sha256 = "text"; lock = "any"; mirrors = "list"; netrc = "set"; };

  # Every pin of a lock, build closures included.
  pinsOf = lock: lib.concatMap (target: target.pins) lock.targets ++ lib.concatMap (closure: closure.pins) (builtins.attrValues lock.build-closures);

  fetch = { function, provider, described }: checked:
    let
      lockGiven = checked.lock or given.lock;
      lock = readLock function lockGiven;
      name = arguments.normalize checked.pname;
      ofProject = builtins.filter (pin: pin.name == name) (pinsOf lock);
      fits = pin: pin.provider == provider && pin.version == checked.version && pin.artifact ? filename
        && (!(checked ? filename) || pin.artifact.filename == checked.filename);
      found = builtins.filter fits ofProject;
      there = lib.unique (map (pin: "${pin.name} ${pin.version} (${pin.artifact.filename or pin.provider})") ofProject);
      mirrors = checked.mirrors or given.mirrors;
      source = parts.source {
        inherit pkgs;
        python = pkgs.python3;
        scripts = builtins.mapAttrs (file: text: builtins.toFile "mach-${file}" text) scripts;
        mirror = parts.mirrors { inherit mirrors; };
        netrc = checked.netrc or given.netrc;
        root = folderOf lockGiven;
      };
      # a URL's last part is the name of what it leads to
      stated = { type = "url"; inherit (checked) url sha256; filename = checked.filename or (baseNameOf checked.url); };
    in
    if checked ? url != checked ? sha256 then throw "mach: ${function} takes url and sha256 together: without the hash, the file could be another one in ten years"
    else if checked ? url then source.fetch stated
    else if !(checked ? pname && checked ? version) then throw "mach: ${function} takes pname and version of what the lock has, or url and sha256"
    else if lockGiven == null then throw "mach: ${function} finds ${checked.pname} ${checked.version} in a lock: pass lock = ./mach.lock;, or url and sha256"
    else if found == [ ] then
      throw "mach: ${function}: the lock has no ${described} of ${name} ${checked.version}${lib.optionalString (checked ? filename) " with the name ${checked.filename}"}${if there == [ ] then arguments.hint name (lib.unique (map (pin: pin.name) (pinsOf lock))) else ", it has ${lib.concatStringsSep ", " there}"}"
    else source.fetch (builtins.head found).artifact;

  # FUNCTION { … }, or as in mach-nix FUNCTION "NAME" "VERSION" (and "FILE" of a wheel).
  define = { function, provider, described, positional }:
    let
      finish = checked: fetch { inherit function provider described; } checked;
      collect = names: known: value:
        let now = known // { ${builtins.head names} = value; }; rest = builtins.tail names; in
        if !builtins.isString value then throw "mach: ${function}: ${builtins.head names} must be a text, and it is a value of type ${builtins.typeOf value}"
        else if rest == [ ] then finish now
        else collect rest now;
    in
    value:
    if builtins.isAttrs value then finish (arguments.check { inherit function takes; } value)
    else collect positional { } value;
in
{
  takes = { fetchPypiSdist = takes; fetchPypiWheel = takes; };
  fetchPypiSdist = define { function = "fetchPypiSdist"; provider = "sdist"; described = "sdist"; positional = [ "pname" "version" ]; };
  fetchPypiWheel = define { function = "fetchPypiWheel"; provider = "wheel"; described = "wheel"; positional = [ "pname" "version" "filename" ]; };
}
