# What a project takes of nixpkgs: what fixes say of it; of an sdist that no fix is for, or where a fix asks for it, what
# nixpkgs builds its own derivation of the project with, Python aside.
# fixesFor: pin -> what fixes say (fixes.nix).
{ pkgs, python, fixesFor }:
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

  # what every build has, of mach's own, of stdenv or of nixpkgs' Python builder
  reserved = [ "HOME" "LANG" "LC_ALL" "NIX_BUILD_TOP" "NIX_MAIN_PROGRAM" "PATH" "SOURCE_DATE_EPOCH" "TMPDIR" "TZ" ];
  isVariable = name: builtins.match "[A-Z_][A-Z0-9_]*" name != null && !(builtins.elem name reserved) && builtins.match "PYTHON.*" name == null;
  isPlain = value: builtins.isString value || builtins.isInt value || builtins.isBool value;
  # setuptools-scm, pbr, poetry, pdm: they would build what nixpkgs has, and the lock has its own version
  saysVersion = name: builtins.match "PBR_VERSION|.*_(PRETEND_VERSION|DYNAMIC_VERSIONING|SCM_VERSION).*" name != null;
in
pin:
let
  fixed = fixesFor pin;
  isUnfixed = fixed.libraries == [ ] && fixed.tools == [ ] && fixed.settings == { };

  names = builtins.filter isAttribute (lib.unique [ pin.name (lib.replaceStrings [ "-" ] [ "_" ] pin.name) ]);
  found = builtins.filter (module: module != null) (map look names);
  module = builtins.head found;
  isTaken = name: value: isVariable name && isPlain value && !saysVersion name && value != module.version or null;
  variables = attrs: lib.filterAttrs (name: value: attempt false (isTaken name value)) attrs;
  given = field: attempt [ ] (let inputs = module.${field} or [ ]; in if builtins.isList inputs then inputs else [ ]);
in
if !fixed.inherits && (pin.provider != "sdist" || !isUnfixed || found == [ ]) then fixed // { patches = [ ]; }
else if found == [ ] then
  throw "mach: this nixpkgs has no derivation of ${pin.name}, whose inputs ${pin.name} ${pin.version} takes (a fix says nixpkgs-inputs): pass another nixpkgs as pkgs, or make this file anew with --fixes FILE, an entry of which says `replaces = true`"
else fixed // {
  tools = lib.unique (fixed.tools ++ takes (given "nativeBuildInputs"));
  libraries = lib.unique (fixed.libraries ++ takes (given "buildInputs" ++ given "propagatedBuildInputs"));
  settings = attempt { } (variables (module.drvAttrs or { })) // attempt { } (variables (module.env or { })) // fixed.settings;
  # What has to be fetched first is no source of the lock; what does not apply to this version is left out when it is built.
  patches = builtins.filter builtins.isPath (given "patches");
}
