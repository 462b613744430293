# Everything that the library makes of one lock and one set of arguments: the environment with mach-nix' passthru, its
# shell, its image, and the same projects as modules of nixpkgs' Python set.
{ lib, parts, texts, scripts, arguments, fixesFor }:
# function: what messages call the caller. given: checked arguments. base: the nixpkgs to build on.
# lock, root: the lock as a value, and the folder that its paths start from.
{ function, given, base, lock, root, remake }:
let
  known = lib.unique (lib.concatMap (target: map (pin: pin.name) target.pins) lock.targets);
  modified = parts.modifications { inherit lib arguments; } { inherit function known; modifications = given._ or { }; };
  pre = given.overridesPre or [ ];
  # nixpkgs' name for overrideAttrs on projects, which overrides written for mach-nix use
  decorate = project: project // { overridePythonAttrs = change: decorate (project.overrideAttrs change); };
  decorated = _: prev: builtins.mapAttrs (_: decorate) prev;
  layers = [ modified.layer ] ++ lib.concatMap (layer: [ decorated layer ]) (given.overridesPost or [ ]);

  # The attribute of nixpkgs whose interpreter the lock is for; from the lock alone, since an overlay's names may
  # depend on nothing that the overlay changes.
  attributeFor = system:
    let targets = builtins.filter (target: target.system == system) lock.targets ++ lock.targets; in
    if builtins.isString (given.python or null) then given.python
    else if given.python or null != null then "python${lib.replaceStrings [ "." ] [ "" ] given.python.pythonVersion}"
    else "python${lib.concatStrings (lib.take 2 (builtins.splitVersion (builtins.head targets).python))}";

  # The interpreter of a nixpkgs; null: select chooses, and says what is wrong.
  interpreterOf = pkgs:
    let
      python = given.python or null;
      pythons = builtins.filter (name: builtins.match "python3[0-9]*" name != null) (builtins.attrNames pkgs);
    in
    if builtins.isString python then
      pkgs.${python} or (throw "mach: ${function}: this nixpkgs has no ${python}${arguments.hint python pythons}")
    else python;

  override = python: layer: let changed = python.override (old: { packageOverrides = lib.composeExtensions (old.packageOverrides or (_: _: { })) layer; self = changed; }); in changed;

  # The lock on some nixpkgs. overridesPre change that nixpkgs' Python set, below everything of the lock.
  coreOn = pkgs: python:
    let
      assemble = python: parts.assemble {
        inherit parts scripts lock pkgs python root;
        fixes = fixesFor { inherit lock; tables = given.fixes or [ ]; system = pkgs.stdenv.hostPlatform.system; };
        known = null;
        overrides = layers;
        mirrors = given.mirrors or [ ];
        netrc = given.netrc or { };
        collisions = given.collisions or { };
      };
      plain = assemble python;
    in
    if pre == [ ] then plain else assemble (override plain.python (lib.composeManyExtensions pre));
  core = coreOn base (interpreterOf base);

  modulesOf = core: core.inside.use parts.propagation { collisions = given.collisions or { }; }
    (core.packages // builtins.listToAttrs (map (project: { name = project.pname; value = project; }) added.projects));
  # final: prev: for python.override { packageOverrides = …; }
  overridesOf = core: final: prev:
    if prev ? python.pythonVersion && prev.python.pythonVersion != core.python.pythonVersion then
      throw "mach: ${function}: these overrides are of Python ${core.python.pythonVersion}, and were put on Python ${prev.python.pythonVersion}"
    else modulesOf core;
  # overridesPre are in the interpreter that the core was assembled with
  pythonWith = core: override core.python (overridesOf core);

  pythonOverrides = lib.composeManyExtensions (pre ++ [ (overridesOf core) ]);
  overlay = final: prev:
    let
      attribute = attributeFor prev.stdenv.hostPlatform.system;
      plain = prev.${attribute} or (throw "mach: ${function}: this nixpkgs has no ${attribute}, for which the lock is");
    in
    { ${attribute} = pythonWith (coreOn prev plain); };

  # What the user asked for: the roots of the lock.
  roots = builtins.filter (name: core.packages ? ${name}) (builtins.attrNames core.inside.target.roots);
  selectPkgs = set: map (name: set.${name}) roots;

  added = parts.additions { inherit lib arguments; } {
    inherit function;
    inherit (core) packages python;
    inherit (core.inside) locate;
    inherit (core.inside.target) pins;
  } (given.packagesExtra or [ ]);

  # Projects as an environment that has what packagesExtra adds.
  surround = name: projects: core.inside.environment {
    inherit name;
    projects = projects ++ added.projects;
    inherit (added) programs;
    ignoreCollisions = given.ignoreCollisions or false;
    postBuild = given.postBuild or "";
  };
  # The environment's projects; those with doCheck, or all where tests are asked for, are imported.
  isChecked = project: let said = modified.checkOf project.pname; in if said != null then said else given.tests or false;
  compose = name: projects:
    let
      env = surround name projects;
      checked = builtins.filter isChecked (projects ++ added.projects);
    in
    if checked == [ ] then env else core.inside.use parts.imports { } { inherit env; projects = checked; };
  plainEnv = compose "environment" core.inside.projects;
  shellEnv = if core.inside.hasEditables then compose "development-environment" core.inside.developed else plainEnv;

  shell = parts.shell { inherit (core.inside) pkgs; env = shellEnv; };
  imageOf = image: parts.image { inherit (core.inside) pkgs; } {
    env = plainEnv;
    inherit (added) programs;
    name = image.name or "mach-python";
    tag = image.tag or "latest";
    command = image.command or [ "${plainEnv}/bin/${core.python.executable}" ];
    stream = image.stream or false;
  };

  passthru = {
    inherit selectPkgs pythonOverrides overlay;
    python = pythonWith core;
    nixpkgs = core.inside.pkgs.extend overlay;
    dockerImage = imageOf { };
    expr = parts.text { inherit lib scripts texts; } { inherit lock; fixes = fixesFor { inherit lock; tables = given.fixes or [ ]; system = core.inside.pkgs.stdenv.hostPlatform.system; }; };
    # as of nixpkgs' withPackages, for nix-shell
    env = shell;
    inherit (core) packages sources;
    override = new: remake (given // (if builtins.isFunction new then new given else new));
  };
in
{
  inherit core lock root pythonOverrides overlay shell imageOf isChecked surround selectPkgs;
  pythonWithLock = passthru.python;
  inherit (passthru) nixpkgs;
  inherit (added) programs;
  modules = modulesOf core;
  env = plainEnv.overrideAttrs (old: { passthru = old.passthru // passthru; });
}
