# The library for Nix users: mach-nix' functions over locks. docs/reference/nix-library.md tells what each takes.
# parts, texts, scripts: the files of this folder, as functions and as text. table: the fixes that come with mach.
# pkgs: the nixpkgs to build on. lock, mirrors, netrc, fixes, python: for every call that does not give its own.
# catalog: what requirements are resolved on; program: mach, which does it.
{ parts, texts, scripts, table, pkgs, python, lock, mirrors, netrc, fixes, catalog, program }@given:
let
  # ---- locks
  readLock = function: value:
    let
      isLock = content: builtins.isAttrs content && content ? lock-version;
      isFile = builtins.isPath value || lib.isDerivation value || (builtins.isString value && builtins.match "/.*" value != null);
      refuse = reason: throw "mach: ${function}: lock must be the path of a mach.lock, or what it holds, and ${reason}";
      text = if lib.isDerivation value || builtins.pathExists value then builtins.readFile value
        else refuse "there is no ${toString value} (mach lock -r requirements.txt makes one)";
      # what fromJSON refuses would be told without the file's name
      content = if builtins.substring 0 1 text == "{" then builtins.fromJSON text else null;
    in
    if isLock value then value
    else if isFile then if isLock content then content else refuse "${toString value} is none (mach lock -r requirements.txt makes one)"
    else if builtins.isString value then refuse "it is the text ${builtins.toJSON value}: a path has no quotes, lock = ./mach.lock;"
    else refuse "it is a value of type ${builtins.typeOf value}";
  folderOf = value:
    if builtins.isPath value then dirOf value
    else if builtins.isAttrs value && !lib.isDerivation value then throw "mach: the lock was given as a value, and it has relative paths: pass the folder that they start from as root"
    else /. + builtins.unsafeDiscardStringContext (dirOf (toString value));

  inherit (pkgs) lib;
  arguments = parts.arguments { inherit lib; };

  # ---- fixes: the table that comes with mach, then the user's
  versions = parts.versions { inherit lib; };
  fixesFor = { lock, tables, system }:
    let
      read = value:
        if builtins.isPath value || lib.isDerivation value || builtins.isString value then { name = baseNameOf (toString value); text = builtins.readFile value; }
        else throw "mach: fixes takes paths of TOML tables, and was given a value of type ${builtins.typeOf value}";
      choose = parts.table { inherit lib arguments versions; tables = [ table ] ++ map read (lib.toList tables); };
    in
    choose { inherit lock system; };
  resolution = function: parts.resolution { inherit lib arguments catalog program pkgs function; isLocked = given.lock != null; inherit (parts.mirrors { mirrors = [ ]; }) toHexadecimal; };
  # The Python of a request is the call's, or python3 of the nixpkgs.
  resolve = { function, request }:
    let
      wanted = request.python or pkgs.python3;
      interpreter =
        if builtins.isString wanted then pkgs.${wanted} or (throw "mach: ${function}: this nixpkgs has no ${wanted}")
        else wanted;
    in
    (resolution function).resolve { inherit request; python = interpreter; };
  made = parts.made { inherit lib parts texts scripts arguments fixesFor; };

  # ---- arguments
  shared = {
    lock = "any";
    requirements = "text";
    providers = "any";
    _providerDefaults = "any";
    packagesExtra = "list";
    _ = "set";
    overridesPre = "list";
    overridesPost = "list";
    python = "any";
    mirrors = "list";
    netrc = "set";
    fixes = "any";
    root = "any";
  };
  ofEnvironments = {
    tests = "flag";
    collisions = "set";
    ignoreCollisions = "flag";
    postBuild = "text";
  };
  ofImages = { name = "text"; tag = "text"; command = "list"; stream = "flag"; };
  onlyEnvironments = builtins.mapAttrs (_: _: "it is about an environment, and this is none; mkPython takes it") ofEnvironments;

  # A bare list is packagesExtra, as in mach-nix.
  asSet = value: if builtins.isList value then { packagesExtra = value; } else value;

  defaults = lib.filterAttrs (_: value: value != null) { inherit python; }
    // lib.filterAttrs (_: value: value != [ ] && value != { }) { inherit mirrors netrc fixes; };

  # Checked arguments with a lock -> all that can be made of them.
  prepare = function: remake: checked:
    let
      all = defaults // checked;
      ofRequest = builtins.filter (name: checked ? ${name}) [ "requirements" "providers" "_providerDefaults" "requirementsExtra" ];
      chosen =
        if checked ? lock && ofRequest != [ ] then
          throw "mach: ${function} has lock and ${lib.concatStringsSep ", " ofRequest}: what to lock is said when the lock is made (mach lock --help); leave out one or the other"
        else if given.lock != null && ofRequest != [ ] && !(checked ? requirements) then
          throw "mach: ${function}: ${lib.concatStringsSep " and " ofRequest} without requirements ${if builtins.length ofRequest == 1 then "has" else "have"} no effect with a lock, and the import has one: what to lock is said when the lock is made (mach lock --help); leave ${if builtins.length ofRequest == 1 then "it" else "them"} out"
        else if ofRequest != [ ] then { lock = resolve { inherit function; request = all; }; folder = throw "mach: the lock of resolved requirements has a relative path"; }
        else if checked ? lock then { lock = readLock function checked.lock; folder = folderOf checked.lock; }
        else if given.lock != null then { lock = readLock function given.lock; folder = folderOf given.lock; }
        else throw "mach: ${function} needs a lock: run mach lock -r requirements.txt, and pass lock = ./mach.lock;";
    in
    builtins.seq chosen.lock made {
      inherit function remake;
      inherit (chosen) lock;
      given = all;
      base = pkgs;
      root = all.root or chosen.folder;
    };

  # The functions of the mk* family, with what each takes.
  family = {
    mkPython = shared // ofEnvironments;
    mkPythonShell = shared // ofEnvironments;
    mkDockerImage = shared // ofEnvironments // ofImages;
    mkPythonOverrides = shared;
    mkOverlay = shared;
    mkNixpkgs = shared;
  };
  # label: what messages call the function.
  defineAs = label: function: finish: value:
    let
      refused = lib.filterAttrs (name: _: !(family.${function} ? ${name})) onlyEnvironments;
      checked = arguments.check { function = label; inherit refused; takes = family.${function}; } (asSet value);
    in
    # overrides and overlays are functions: what is wrong is said at the call, not when they are applied
    builtins.seq checked (finish checked (prepare label mkPython (removeAttrs checked (builtins.attrNames ofImages))));
  define = function: defineAs function function;
  makers = {
    mkPython = _: result: result.env;
    mkPythonShell = _: result: result.shell;
    mkDockerImage = checked: result: result.imageOf (builtins.intersectAttrs ofImages checked);
  };
  mkPython = define "mkPython" makers.mkPython;
  defineSet = function: attribute: define function (_: result:
    if result.programs == [ ] then result.${attribute}
    else throw "mach: ${function}: packagesExtra holds ${(builtins.head result.programs).name}, and Python's set has no place for programs: mkPython takes it");

  # Of mach-nix: what a function makes of projects that are listed by their names.
  defineWith = label: function: names:
    if builtins.isList names && builtins.all builtins.isString names then
      defineAs label function makers.${function} { requirements = lib.concatStringsSep "\n" names; }
    else throw "mach: ${label} takes a list of requirements, [ \"requests\" \"numpy<2\" ]";

  # Of mach-nix: what a function makes of projects that a chain of attributes names, gen.python.requests.numpy: with
  # what they depend on in the lock of the import, or resolved on its catalog.
  chain =
    let
      source =
        if given.lock != null then ofLock
        else if catalog != null then { inherit (resolution "gen") projects; argumentsOf = names: { requirements = lib.concatStringsSep "\n" names; }; }
        else throw "mach: gen has the names of a lock or of a catalog, and the import was given neither: pass lock = ./mach.lock; (mach lock -r requirements.txt), or catalog = { snapshot = …; sha256 = …; } (a file of mach db export)";
      inherit (prepare "gen" mkPython { }) lock root core;
      inherit (core.inside) target;
      pins = builtins.listToAttrs (map (pin: { inherit (pin) name; value = pin; }) target.pins);
      ofLock = {
        projects = builtins.attrNames pins;
        argumentsOf = names:
          let
            reached = builtins.genericClosure {
              startSet = map (key: { inherit key; }) names;
              operator = item: map (key: { inherit key; }) (builtins.attrNames (builtins.intersectAttrs pins pins.${item.key}.dependencies));
            };
            narrowed = target // { roots = lib.genAttrs names (name: [ name ]); pins = map (item: pins.${item.key}) reached; };
          in
          { lock = lock // { targets = [ narrowed ]; }; inherit root; };
      };
    in
    function: forwarded: parts.chain { inherit lib; } {
      inherit (source) projects;
      inherit forwarded;
      make = names: define function makers.${function} (source.argumentsOf names);
    };

  projectFunctions = parts.application { inherit lib parts arguments prepare shared; };
  sources = parts.fetching { inherit pkgs lib arguments readLock folderOf; inherit given parts scripts; };
in
{
  inherit mkPython;
  mkPythonShell = define "mkPythonShell" makers.mkPythonShell;
  mkDockerImage = define "mkDockerImage" makers.mkDockerImage;
  mkPythonOverrides = defineSet "mkPythonOverrides" "pythonOverrides";
  mkOverlay = defineSet "mkOverlay" "overlay";
  mkNixpkgs = defineSet "mkNixpkgs" "nixpkgs";

  inherit (projectFunctions) buildPythonPackage buildPythonApplication;
  inherit (sources) fetchPypiSdist fetchPypiWheel;

  pythonWith = defineWith "pythonWith" "mkPython";
  "with" = defineWith "with" "mkPython";
  shellWith = defineWith "shellWith" "mkPythonShell";
  dockerImageWith = defineWith "dockerImageWith" "mkDockerImage";
  gen = {
    python = chain "mkPython" [
      "dockerImage" "env" "expr" "nixpkgs" "overlay" "packages" "projects" "python" "pythonOverrides" "pythonVersion"
      "selectPkgs" "sitePackages" "sources"
    ];
    docker = chain "mkDockerImage" [ "imageName" "imageTag" ];
  };

  # of mach-nix: several functions of overrides as one
  mergeOverrides = lib.composeManyExtensions;

  # function -> the names of its arguments
  argumentsOf = builtins.mapAttrs (_: builtins.attrNames) (family // projectFunctions.takes // sources.takes);
}
