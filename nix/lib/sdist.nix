# A locked sdist or source tree: built into a wheel in its build closure (PEP 517), then installed like any wheel.
{ pkgs, python, project, fetch, scripts, hooks, buildEnvironments }:
pin:
let
  source = fetch pin.artifact;
  environment = buildEnvironments.${pin.build} or (throw "mach: the lock has no build closure ${builtins.toJSON pin.build} for ${pin.name} ${pin.version}");
  # The driver reads pyproject.toml, for which Python has a parser since 3.11; the hooks themselves
  # always run in the build environment.
  driver = if builtins.compareVersions python.pythonVersion "3.11" < 0 then pkgs.python3 else python.pythonOnBuildForHost or python;
in
project.make {
  inherit pin;
  hasBinaries = true;
  phases = [ "unpackPhase" "patchPhase" "buildPhase" ];
  info = {
    # a source tree has no file name
    filename = pin.artifact.filename or "${pin.name}-${pin.version}";
    subdirectory = pin.artifact.subdirectory or "";
    inherit hooks;
    sdist = source;
    interpreter = "${environment}/bin/${python.executable}";
  };
  extra = {
    # A name without the build's random folder, for compilers that write paths down.
    unpackPhase = ''
      runHook preUnpack
      ${project.run scripts."unpack_sdist.py"} "$machInfoPath" source
      sourceRoot=source
      runHook postUnpack
    '';
    buildPhase = ''
      runHook preBuild
      export SOURCE_DATE_EPOCH=315532800 HOME="$NIX_BUILD_TOP/home" PATH="${environment}/bin:$PATH"
      mkdir -p "$HOME"
      ${driver.interpreter} -I -B -X utf8 ${scripts."build_wheel.py"} "$machInfoPath" "$NIX_BUILD_TOP/dist"
      runHook postBuild
    '';
    passthru = { inherit source; buildEnvironment = environment; };
  };
}
