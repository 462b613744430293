# One question to the build backend of an sdist, as a derivation: nothing of the machine is seen, and no network.
# Of nixpkgs it sees what the build of that sdist sees (sdist.nix): compilers, pkg-config, and, where it is to have
# more, what fixes and nixpkgs' own derivation of the project give (inherited.nix); patches are the build's alone.
# given: what mach writes, as values. files: a folder with what mach writes as files.
{ parts, scripts, given, files }:
let
  pkgs =
    if given.nixpkgs == null then import <nixpkgs> { }
    else import ((parts.mirrors { mirrors = [ ]; }).nixpkgs given.nixpkgs) { config = { }; overlays = [ ]; };
  inherit (pkgs) lib;
  file = name: builtins.path { inherit name; path = files + "/${name}"; };

  attributeOf = series: "python${lib.replaceStrings [ "." ] [ "" ] series}";
  # an interpreter that was removed may be there, and throw
  isThere = series:
    let found = builtins.tryEval (pkgs.${attributeOf series}.pythonVersion or null); in found.success && found.value == series;
  python = pkgs.${attributeOf given.python};

  programs = builtins.mapAttrs (name: text: builtins.toFile "mach-${name}" text) scripts;
  project = parts.project { inherit pkgs python; scripts = programs; storeName = name: name; installer = null; };
  nothing = _: { libraries = [ ]; tools = [ ]; settings = { }; };
  fixesFor =
    if given.fixed then parts.inherited { inherit pkgs python; fixesFor = parts.fixes { inherit pkgs; inherit (given) fixes; known = null; }; }
    else nothing;
  toPin = release: release // { provider = "sdist"; };
  fixes = fixesFor (toPin given.release);
  # What the sdists of a build closure were built against: their wheels load it.
  loaded = lib.concatMap (release: (fixesFor (toPin release)).libraries) given.closure;

  # made here, of what was made here: no other machine has it, or need do it
  ownWork = { preferLocalBuild = true; allowSubstitutes = false; };
  laidOut = (project.make {
    pin = { name = "build-environment"; version = "1"; dependencies = { }; };
    info = { };
    hasBinaries = true;
    libraries = loaded;
    extra = ownWork // { archive = file "environment.tar"; references = map lib.getLib loaded ++ [ python ]; };
  }).overrideAttrs (old: {
    phases = builtins.filter (phase: phase != "bytecodePhase") old.phases;
    installPhase = "${project.run programs."lay_out_environment.py"} \"$archive\" \"$out\"";
  });
  environment = if given.environment == null then laidOut else builtins.storePath given.environment;

  asking = attributes: pkgs.stdenv.mkDerivation (fixes.settings // ownWork // {
    name = "hook";
    nativeBuildInputs = [ pkgs.pkg-config ] ++ fixes.tools;
    buildInputs = fixes.libraries;
    machDriver = file "driver";
    machEnvironment = if given.probe then "" else environment;
    machTools = lib.unique (lib.concatMap (tool: [ "${lib.getDev tool}/bin" "${lib.getBin tool}/bin" ]) (fixes.tools ++ fixes.libraries));
  } // attributes);
in
{
  about = { inherit (pkgs.stdenv.hostPlatform) system; pythons = builtins.filter isThere given.pythons; };
  # by name, what nixpkgs' derivations give to the releases of the question: nothing is built to tell
  gifts = lib.optionalAttrs (isThere given.python) (builtins.listToAttrs (map
    (release:
      let
        gift = fixesFor (toPin release);
        nameOf = input: builtins.unsafeDiscardStringContext (input.pname or (builtins.parseDrvName input.name).name);
        valueOf = value: builtins.unsafeDiscardStringContext (if builtins.isString value then value else builtins.toJSON value);
      in
      {
        name = release.name;
        value = map nameOf (gift.tools ++ gift.libraries) ++ lib.mapAttrsToList (name: value: "${name}=${valueOf value}") gift.settings;
      })
    ([ given.release ] ++ given.closure)));
  inherit python;
  environment = laidOut;
  # all that the hook takes: whoever has it waits for nothing but the backend
  inputs = asking { phases = [ "inputsPhase" ]; inputsPhase = "mkdir $out; : ${python.interpreter}"; };
  hook = asking {
    machRequest = file "request.json";
    machSource = if given.probe then "" else file "source.tar";
    phases = [ "askPhase" ];
    # in place of the shell: the driver becomes the first process, with which all others end
    askPhase = ''
      runHook preBuild
      exec ${python.interpreter} -I -B -S "$machDriver/hook_build_driver.py" "$machRequest" "$machSource" "$machEnvironment" "''${machTools// /:}" "$out"
    '';
  };
}
