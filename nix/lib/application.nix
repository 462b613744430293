# buildPythonPackage and buildPythonApplication: one project, from its source, on a lock.
# A project that the lock has is built as the lock says, in its build closure. One that it does not have is built by
# nixpkgs' namesake, with what the lock has as its dependencies, if a format is given.
{ lib, parts, arguments, prepare, shared }:
let
  own = {
    src = "any";
    pname = "text";
    version = "text";
    extras = "any";
    requirementsExtra = "text";
    format = "text";
    pyproject = "flag";
    tests = "flag";
    doCheck = "flag";
    pythonImportsCheck = "list";
  };
  takes = shared // own;
  # of stdenv, and near to one of those
  passes = [ "name" "srcs" "outputs" "meta" "passthru" "patches" "phases" ];
  # what a lock says in their place
  ofLock = {
    dependencies = "the lock has its dependencies: add them to the project's own metadata, and lock again";
    propagatedBuildInputs = "the lock has its dependencies; libraries that it is compiled against are buildInputs";
    build-system = "the lock has what it is built with: add it to build-system.requires in its pyproject.toml, and lock again";
    checkInputs = "mach imports what it builds and runs no test-suite: run it in mkPythonShell";
    nativeCheckInputs = "mach imports what it builds and runs no test-suite: run it in mkPythonShell";
    disabled = "a lock is for the Pythons that were asked for";
  };

  isUrl = value: builtins.isString value && builtins.match "[a-z+]+://.*" value != null;
  isFolder = value: builtins.isPath value || (builtins.isString value && lib.hasPrefix "/" value);
  asSet = value:
    if builtins.isAttrs value && !lib.isDerivation value then value
    else if builtins.isAttrs value || isFolder value || isUrl value then { src = value; }
    else value;
  show = value: if lib.isDerivation value then value.name else toString value;

  build = function: isApplication: value:
    let
      checked = arguments.check { inherit function takes passes; } (asSet value);
      shares = builtins.intersectAttrs (shared // { inherit (own) requirementsExtra; }) checked;
      rest = removeAttrs checked (builtins.attrNames takes);
      remake = build function isApplication;

      plain = prepare function remake shares;
      inherit (plain.core.inside.target) pins;
      inherit (plain.core.inside) locate;
      src = checked.src or null;

      # ---- which project of the lock it is
      isAt = pin:
        if isUrl src then pin.artifact.url or null == src || pin.direct or null == src
        else if isFolder src then pin.artifact ? path && toString (locate pin.artifact.path) == toString src
        else src ? rev && pin.artifact.commit or null == src.rev;
      found =
        if checked ? pname then builtins.filter (pin: pin.name == arguments.normalize checked.pname) pins
        else if src != null then builtins.filter isAt pins
        else throw "mach: ${function} takes src or pname, the source or the name of what it builds";
      pin = builtins.head found;
      isSame = src == null || isAt pin;
      said = if checked ? pname then checked.pname else show src;
      extras = if builtins.isString (checked.extras or [ ]) then lib.filter (name: name != "") (lib.splitString "," (lib.replaceStrings [ " " ] [ "" ] checked.extras)) else checked.extras or [ ];
      lacking = lib.subtractLists (pin.extras or [ ]) (map arguments.normalize extras);
      refused = builtins.attrNames (builtins.intersectAttrs ofLock rest);
      problem =
        if refused != [ ] then "does not take ${builtins.head refused} for ${pin.name}, which the lock has: ${ofLock.${builtins.head refused}}"
        else if checked ? version && checked.version != pin.version then "builds ${pin.name} ${checked.version}, and the lock has ${pin.version}: lock again, or leave version out"
        else if lacking != [ ] then "builds ${pin.name} with the extra ${builtins.head lacking}, which the lock does not have: mach lock '${pin.name}[${builtins.head lacking}]'"
        else if !isSame && pin.provider != "sdist" then "builds ${pin.name} from ${show src}, and the lock has it as a ${pin.provider}, without what it is built in: lock its source in its place (mach lock with the folder, or --no-binary ${pin.name})"
        else if !isSame && isUrl src then "builds ${pin.name} from ${src}, and the lock has it from elsewhere: mach lock '${pin.name} @ ${src}'"
        else null;

      # ---- as the lock says
      # what Nix made or fetched is in the store already
      isLocal = isFolder src && !(builtins.isString src && builtins.hasContext src);
      artifact = if isLocal then { type = "path"; path = toString src; } else { type = "given"; source = src; };
      relocated = target: target // { pins = map (other: if other.name == pin.name then other // { inherit artifact; } else other) target.pins; };
      lock = if isSame then plain.lock else plain.lock // { targets = map relocated plain.lock.targets; };
      adjust = old: name: value:
        if builtins.isList value && builtins.isList (old.${name} or null) then old.${name} ++ value
        else if builtins.elem name [ "meta" "passthru" "env" ] then old.${name} or { } // value
        else value;
      layer = final: prev: { ${pin.name} = prev.${pin.name}.overrideAttrs (old: builtins.mapAttrs (adjust old) rest); };
      all = prepare function remake (removeAttrs shares [ "requirements" "requirementsExtra" "providers" "_providerDefaults" ] // {
        inherit lock;
        inherit (plain) root;
        overridesPost = shares.overridesPost or [ ] ++ lib.optional (rest != { }) layer;
      });
      inherit (all.core) packages python;
      project = packages.${pin.name};
      closure = map (item: packages.${item.key}) (builtins.genericClosure {
        startSet = [ { key = pin.name; } ];
        operator = item: map (key: { inherit key; }) (builtins.filter (key: packages ? ${key}) packages.${item.key}.dependencies);
      });

      # ---- the check: its modules, or those that are named, are imported among what it depends on
      isImported = checked.doCheck or (all.isChecked project || checked.tests or false);
      modules = checked.pythonImportsCheck or [ ];
      environment = all.surround "${pin.name}-environment" closure;
      env =
        if !isImported && modules == [ ] then environment
        else all.core.inside.use parts.imports { } {
          env = environment;
          projects = lib.optional isImported project;
          inherit modules;
        };

      passthru = {
        inherit project env;
        machClosure = closure;
        machPython = python;
        inherit (all.core) sources;
        override = new: remake (checked // (if builtins.isFunction new then new checked else new));
      };
      module = all.modules.${pin.name}.overrideAttrs (old: lib.optionalAttrs (isImported || modules != [ ]) { imported = "${env}"; });
      program = all.core.inside.pkgs.stdenv.mkDerivation {
        name = "${pin.name}-${pin.version}";
        phases = [ "installPhase" ];
        inherit project;
        environment = env;
        installPhase = ''
          mkdir -p "$out/bin"
          for program in "$project"/bin/*; do
            if [ -e "$program" ]; then ln -s "$environment/bin/''${program##*/}" "$out/bin/"; fi
          done
          if [ -e "$project/share" ]; then ln -s "$project/share" "$out/share"; fi
        '';
        meta = { mainProgram = pin.name; } // project.meta or { };
      };
      locked = (if isApplication then program else module) // passthru // { pname = pin.name; inherit (pin) version; };

      # ---- as nixpkgs builds it
      lacks = builtins.filter (name: !(checked ? ${name})) [ "pname" "version" "src" ];
      inherit (plain) pythonWithLock;
      foreign = pythonWithLock.pkgs.${function} (removeAttrs rest [ "propagatedBuildInputs" ] // {
        inherit (checked) pname version src;
        doCheck = checked.doCheck or checked.tests or false;
        propagatedBuildInputs = rest.propagatedBuildInputs or [ ] ++ plain.selectPkgs pythonWithLock.pkgs;
      } // builtins.intersectAttrs { format = null; pyproject = null; pythonImportsCheck = null; } checked);
    in
    if found != [ ] then (if problem != null then throw "mach: ${function} ${problem}" else locked)
    else if !(checked ? format || checked ? pyproject) then
      throw "mach: ${function}: the lock has no project ${said}${arguments.hint said (map (pin: pin.name) pins)}: add its source to the request (mach lock ${if src != null && isFolder src then show src else "./FOLDER"}), or say format, to have it built by nixpkgs with what the lock has"
    else if lacks != [ ] then throw "mach: ${function} builds what is not in the lock with pname, version and src, and ${builtins.head lacks} is missing"
    else if !lib.isDerivation src && !isFolder src then throw "mach: ${function} takes src as a path or a derivation for what is not in the lock: fetch ${show src} with pkgs.fetchurl and its hash"
    else foreign;
in
{
  takes = { buildPythonPackage = takes; buildPythonApplication = takes; };
  buildPythonPackage = build "buildPythonPackage" false;
  buildPythonApplication = build "buildPythonApplication" true;
}
