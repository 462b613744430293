# The argument `_`: changes of single attributes of single projects, as a layer of overrides.
# _.NAME.ATTRIBUTE = VALUE;                        replaces it
# _.NAME.ATTRIBUTE.add = VALUE;                    is appended: to a list, a text or a set
# _.NAME.ATTRIBUTE.mod = old: …;                   is what the function makes of it
# _.NAME.ATTRIBUTE.mod = final: oldAttrs: old: …;  the same, with all projects and all attributes of this one
{ lib, arguments }:
{ function, modifications, known }:
let
  # What an attribute is where a project has none: as stdenv takes it.
  missing = attribute:
    if isInputs attribute || builtins.match "patches|outputs|.*Flags|.*Hooks|phases|pythonImportsCheck" attribute != null then [ ]
    else if builtins.elem attribute [ "env" "meta" "passthru" ] then { }
    else if isShell attribute then ""
    else null;
  isInputs = attribute: builtins.match ".*Inputs(Propagated)?|deps.*" attribute != null;
  isShell = attribute: builtins.match ".*Phase|(pre|post)[A-Z].*" attribute != null;

  place = name: attribute: "${function}: _.${name}.${attribute}";

  append = name: attribute: old: value:
    let type = builtins.typeOf value; in
    if old == null then value
    else if builtins.isList old then old ++ lib.toList value
    else if builtins.isString old && builtins.isString value then old + lib.optionalString (isShell attribute) "\n" + value
    else if builtins.isAttrs old && builtins.isAttrs value && !lib.isDerivation old then old // value
    else throw "mach: ${place name attribute}.add is of type ${type}, and the attribute of type ${builtins.typeOf old}: it takes a list, a text or a set like the attribute";

  # A misspelt add is a set, too.
  replace = name: attribute: old: value:
    if builtins.isAttrs value && !lib.isDerivation value && (builtins.isList old || builtins.isString old) then
      throw "mach: ${place name attribute} is a set, and the attribute a ${builtins.typeOf old}: a set may hold add or mod, and this one holds ${lib.concatStringsSep ", " (builtins.attrNames value)}"
    else if isInputs attribute && value != null && !builtins.isList value then
      throw "mach: ${place name attribute} must be a list, and it is a value of type ${builtins.typeOf value}"
    else value;

  # Which of the two signatures: the second gives a function when it is called with one argument.
  modify = final: oldAttrs: old: mod:
    let once = mod old; in
    if builtins.isFunction once then mod final oldAttrs old else once;

  isChange = value: builtins.isAttrs value && !lib.isDerivation value && (value ? add || value ? mod);
  change = name: final: old: attribute: value:
    let has = old.${attribute} or (missing attribute); in
    if !isChange value then replace name attribute has value
    else if value ? add && value ? mod then throw "mach: ${place name attribute} has both add and mod: write what add adds in mod"
    else if builtins.attrNames value != (if value ? add then [ "add" ] else [ "mod" ]) then throw "mach: ${place name attribute} has ${lib.concatStringsSep ", " (builtins.attrNames (removeAttrs value [ "add" "mod" ]))} beside add or mod"
    else if value ? add then append name attribute has value.add
    else if !builtins.isFunction value.mod then throw "mach: ${place name attribute}.mod must be a function of the old value"
    else modify final old has value.mod;

  # Binaries of a wheel load what is added to its inputs.
  extendLibraries = old: new:
    let added = lib.subtractLists (old.buildInputs or [ ]) (new.buildInputs or [ ]); in
    lib.optionalAttrs (old ? runtimeLibraries && !(new ? runtimeLibraries) && added != [ ]) {
      runtimeLibraries = "${old.runtimeLibraries}:${lib.makeLibraryPath added}";
    };

  named = lib.mapAttrsToList
    (given: changes:
      let name = arguments.normalize given; in
      if !builtins.elem name known then throw "mach: ${function}: _.${given} is about a project that the lock does not have${arguments.hint name known}"
      else if !builtins.isAttrs changes then throw "mach: ${function}: _.${given} must be an attribute set, such as { patches.add = [ … ]; }"
      else { inherit name; value = changes; })
    modifications;
  byName = lib.foldl' (sum: item: sum // { ${item.name} = sum.${item.name} or { } // item.value; }) { } named;
in
{
  # Whether a project's modules are imported once it is built (doCheck), where that is said; null otherwise.
  checkOf = name: byName.${name}.doCheck or null;

  layer = final: prev: builtins.mapAttrs
    (name: changes: prev.${name}.overrideAttrs (old:
      let new = builtins.mapAttrs (change name final old) (removeAttrs changes [ "doCheck" ]); in
      new // extendLibraries old new))
    (lib.filterAttrs (name: _: prev ? ${name}) byName);
}
