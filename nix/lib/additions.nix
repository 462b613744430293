# The argument packagesExtra: what it names is sorted into projects that the lock has, projects with a lock of their own,
# and other things of nixpkgs, whose programs go to the environment's PATH.
{ lib, arguments }:
# packages: name -> project of the lock; pins: the lock's; locate: path of the lock -> path of Nix; python: the interpreter.
{ function, packages, pins, locate, python }:
given:
let
  isUrl = value: builtins.isString value && builtins.match "[a-z+]+://.*" value != null;
  isFolder = value: builtins.isPath value || (builtins.isString value && lib.hasPrefix "/" value);
  show = value: if lib.isDerivation value then value.name else toString value;

  byUrl = url: builtins.filter (pin: pin.artifact.url or null == url || pin.direct or null == url) pins;
  byPath = path: builtins.filter (pin: pin.artifact ? path && toString (locate pin.artifact.path) == toString path) pins;

  # What a fetcher of nixpkgs fetches: a fixed output.
  isSource = value: value ? outputHash;
  bySource = value: lib.concatMap byUrl (value.urls or (lib.optional (value ? url) value.url))
    ++ builtins.filter (pin: value ? rev && pin.artifact.commit or null == value.rev) pins;
  sourceUrl = value: value.url or (builtins.head (value.urls or [ "URL" ]));

  # A source is in the lock, or has to go there: what it requires is not known here.
  ofLock = value: found: how:
    if found != [ ] then { kind = "locked"; inherit ((builtins.head found)) name; }
    else throw "mach: ${function}: packagesExtra names ${show value}, which is not in the lock: add it to the request, ${how}, and lock again";

  # A result of buildPythonPackage, with the projects of its own lock.
  ofOtherLock = value:
    if value.machPython.pythonVersion != python.pythonVersion then
      throw "mach: ${function}: packagesExtra has ${value.pname} for Python ${value.machPython.pythonVersion}, and the environment is of Python ${python.pythonVersion}"
    else { kind = "projects"; projects = value.machClosure; };

  isRLibrary = value: lib.hasPrefix "r-" (lib.getName value);

  sort = value:
    if isUrl value then ofLock value (byUrl value) "mach lock 'NAME @ ${value}'"
    else if isFolder value then ofLock value (byPath value) "mach lock ${toString value}"
    else if !lib.isDerivation value then
      throw "mach: ${function}: packagesExtra holds a value of type ${builtins.typeOf value}: it takes URLs of archives, paths and derivations"
    else if isSource value then ofLock value (bySource value) "mach lock 'NAME @ ${sourceUrl value}'"
    else if value ? machClosure then ofOtherLock value
    else if builtins.isAttrs (value.pythonModule or null) then
      throw "mach: ${function}: packagesExtra holds ${lib.getName value} of nixpkgs' Python set, which knows nothing of the lock: put it into the request instead, mach lock --provider ${arguments.normalize (lib.getName value)}=nixpkgs"
    else if isRLibrary value then
      throw "mach: ${function}: packagesExtra holds ${lib.getName value}, a library of R, which mach does not set up for rpy2: pass an rWrapper with it in its place, and R in _.rpy2.buildInputs.add"
    else { kind = "program"; program = value; };

  sorted = map sort given;
  ofKind = kind: builtins.filter (item: item.kind == kind) sorted;

  # Projects of other locks, each once; what both have must be the same.
  merge = known: project:
    if !(known ? ${project.pname}) then known // { ${project.pname} = project; }
    else if known.${project.pname}.version == project.version then known
    else throw "mach: ${function}: packagesExtra brings ${project.pname} ${project.version}, and ${known.${project.pname}.version} is there already: lock them together";
  merged = builtins.foldl' merge packages (lib.concatMap (item: item.projects) (ofKind "projects"));
in
builtins.deepSeq (map (item: item.kind) sorted) {
  # of other locks alone, in order of name
  projects = map (name: merged.${name}) (builtins.attrNames (removeAttrs merged (builtins.attrNames packages)));
  programs = map (item: item.program) (ofKind "program");
  # names in the lock of the sources that are named
  named = map (item: item.name) (ofKind "locked");
}
