# What nixpkgs builds its own derivation of a project with, Python aside: an sdist that no fix is for takes it over.
{ pkgs, python }:
let
  inherit (pkgs) lib;
  set = python.pkgs or { };
  isAttribute = name: builtins.match "[A-Za-z_][A-Za-z0-9_'-]*" name != null;
  # an attribute that was removed may be there, and throw
  attempt = default: value: let tried = builtins.tryEval value; in if tried.success then tried.value else default;
  look = name: attempt null (let module = set.${name} or null; in if builtins.isAttrs module && builtins.isAttrs (module.pythonModule or null) then module else null);

  # Python's own build tools come from the build closure alone; hooks would run phases of nixpkgs' own.
  isPythons = input: input ? pythonModule || input ? pythonVersion;
  isHook = input: builtins.match ".*-hook([.]sh)?" (input.pname or input.name or "") != null;
  takes = inputs: builtins.filter (input: attempt false (lib.isDerivation input && !isPythons input && !isHook input)) inputs;

  reserved = [ "HOME" "PATH" "SOURCE_DATE_EPOCH" "NIX_BUILD_TOP" "TMPDIR" ];
  isVariable = name: builtins.match "[A-Z_][A-Z0-9_]*" name != null && !(builtins.elem name reserved) && builtins.match "PYTHON.*" name == null;
  isPlain = value: builtins.isString value || builtins.isInt value || builtins.isBool value;
  variables = attrs: lib.filterAttrs (name: value: isVariable name && attempt false (isPlain value)) attrs;
in
pin:
let
  names = builtins.filter isAttribute (lib.unique [ pin.name (lib.replaceStrings [ "-" ] [ "_" ] pin.name) ]);
  found = builtins.filter (module: module != null) (map look names);
  module = builtins.head found;
  given = field: attempt [ ] (let inputs = module.${field} or [ ]; in if builtins.isList inputs then inputs else [ ]);
in
if found == [ ] then { libraries = [ ]; tools = [ ]; settings = { }; patches = [ ]; }
else {
  tools = takes (given "nativeBuildInputs");
  libraries = takes (given "buildInputs" ++ given "propagatedBuildInputs");
  settings = attempt { } (variables (module.drvAttrs or { })) // attempt { } (variables (module.env or { }));
  # What has to be fetched first is no source of the lock; what does not apply to this version is left out when it is built.
  patches = builtins.filter builtins.isPath (given "patches");
}
