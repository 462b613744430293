# The arguments of the library's functions: which each takes, what mach-nix' older spellings are called now, and what a
# misspelt one is nearest to.
{ lib }:
let
  # Old name -> its new one; `value`: what becomes of the value.
  renamed = {
    add_requirements = { name = "requirementsExtra"; };
    disable_checks = { name = "tests"; value = given: !given; };
    extra_pkgs = { name = "packagesExtra"; };
    overrides_pre = { name = "overridesPre"; };
    overrides_post = { name = "overridesPost"; };
    _provider_defaults = { name = "_providerDefaults"; };
  };

  # What mach-nix took and mach does not, and what to do.
  gone = {
    condaChannelsExtra = "conda channels are no part of mach yet: leave it out";
    condaDataRev = "the catalog is one pin: catalog = { snapshot = …; sha256 = …; }";
    condaDataSha256 = "the catalog is one pin: catalog = { snapshot = …; sha256 = …; }";
    cudaVersion = "it had no effect in mach-nix either: leave it out";
    dataOutdated = "a lock does not age: leave it out";
    ignoreDataOutdated = "a lock does not age: leave it out";
    pypiData = "the catalog is one pin: catalog = { snapshot = …; sha256 = …; }";
    pypiDataRev = "the catalog is one pin: catalog = { snapshot = …; sha256 = …; }";
    pypiDataSha256 = "the catalog is one pin: catalog = { snapshot = …; sha256 = …; }";
    _fixes = "fixes are tables now: fixes = [ ./fixes.toml ]";
  };

  # Types, for one sentence at the call in place of a trace from somewhere deep.
  kinds = {
    text = { isA = builtins.isString; said = "a text"; };
    flag = { isA = builtins.isBool; said = "true or false"; };
    list = { isA = builtins.isList; said = "a list"; };
    set = { isA = builtins.isAttrs; said = "an attribute set"; };
    any = { isA = _: true; };
  };
in
rec {
  # The name of `names` that is nearest to `name`, or null where none is near.
  nearest = name: names:
    let
      distances = map (other: { inherit other; distance = lib.levenshtein (lib.toLower name) (lib.toLower other); }) names;
      sorted = builtins.sort (a: b: a.distance < b.distance || (a.distance == b.distance && a.other < b.other)) distances;
      first = builtins.head sorted;
    in
    if names == [ ] || first.distance > lib.max 2 (builtins.stringLength name / 3) then null else first.other;

  # " (did you mean NAME?)", where some name is near.
  hint = name: names: let near = nearest name names; in lib.optionalString (near != null) " (did you mean ${near}?)";

  # A function's arguments as they were given -> with new names and checked.
  # takes: name -> kind of its value; refused: name -> why this function does not take it.
  # passes: null, or names that are let through besides, to stdenv; any other is as well, unless it is nearly one of
  # those that the function takes.
  check = { function, takes, refused ? { }, passes ? null }: given:
    let
      names = builtins.attrNames takes;
      rename = name: value:
        if takes ? ${name} || !(renamed ? ${name}) then { inherit name value; }
        else
          let new = renamed.${name}; in
          if given ? ${new.name} then throw "mach: ${function} has both ${name} and ${new.name}, which is its name now: leave ${name} out"
          else builtins.trace "mach: ${function}: ${name} is called ${new.name} now" { inherit (new) name; value = (new.value or lib.id) value; };
      translated = builtins.listToAttrs (lib.mapAttrsToList rename given);
      isMisspelt = name:
        passes == null
        || (!builtins.elem name passes && builtins.stringLength name >= 4
          && (let near = nearest name names; in near != null && lib.levenshtein name near <= 2));
      # null, or what is wrong with a name
      wrongName = name:
        if takes ? ${name} then null
        else if refused ? ${name} then "${function} does not take ${name}: ${refused.${name}}"
        else if gone ? ${name} then "${function}: ${name} is gone: ${gone.${name}}"
        else if isMisspelt name then "${function} has no argument ${name}${hint name names}"
        else null;
      wrongValue = name:
        let value = translated.${name}; kind = kinds.${takes.${name}}; in
        if !(takes ? ${name}) || kind.isA value then null
        else "${function}: ${name} must be ${kind.said}, and it is a value of type ${builtins.typeOf value}";
      find = wrong: builtins.filter (problem: problem != null) (map wrong (builtins.attrNames translated));
      # all names before any value
      problems = let ofNames = find wrongName; in if ofNames != [ ] then ofNames else find wrongValue;
    in
    if !builtins.isAttrs given then throw "mach: ${function} takes an attribute set, and was given a value of type ${builtins.typeOf given}"
    else if problems != [ ] then throw "mach: ${builtins.head problems}"
    else translated;

  # A project's name in normal form (PEP 503).
  normalize = name: lib.toLower (lib.concatStrings (map (part: if builtins.isList part then "-" else part) (builtins.split "[-_.]+" name)));
}
