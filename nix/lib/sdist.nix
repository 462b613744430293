# A locked sdist or source tree: built into a wheel in its build closure (PEP 517), then installed like any wheel.
{ pkgs, python, project, fetch, scripts, hooks, buildEnvironments, fixesFor, crateArtifact }:
pin:
let
  source = fetch pin.artifact;
  environment = buildEnvironments.${pin.build or ""} or (throw "mach: the lock has no build closure ${builtins.toJSON (pin.build or null)} for ${pin.name} ${pin.version}");
  fixes = fixesFor pin;
  # Of a Rust project: what its Cargo.lock names. Its build reaches no registry.
  crates = if pin ? crates then map (crate: { inherit (crate) name version sha256; path = fetch (crateArtifact crate); }) pin.crates else null;
  # The driver reads pyproject.toml, for which Python has a parser since 3.11; the hooks themselves
  # always run in the build environment.
  driver = if builtins.compareVersions python.pythonVersion "3.11" < 0 then pkgs.python3 else python.pythonOnBuildForHost or python;
  drive = script: "${driver.interpreter} -I -B -X utf8 ${script} \"$machInfoPath\"";
in
project.make {
  inherit pin;
  hasBinaries = true;
  phases = [ "unpackPhase" "patchPhase" "buildPhase" ];
  info = {
    # a source tree has no file name
    filename = pin.artifact.filename or "${pin.name}-${pin.version}";
    subdirectory = pin.artifact.subdirectory or "";
    inherit crates hooks;
    inherit (python) pythonVersion;
    sdist = source;
    interpreter = "${environment}/bin/${python.executable}";
  };
  # Compilers are stdenv's; Python's own build tools come from the build closure alone.
  tools = [ pkgs.pkg-config ] ++ pkgs.lib.optionals (pin ? crates) [ pkgs.cargo pkgs.rustc ] ++ fixes.tools;
  extra = fixes.settings // {
    buildInputs = fixes.libraries;
  } // pkgs.lib.optionalAttrs (fixes.patches or [ ] != [ ]) {
    # of nixpkgs' version of the project, which may be another one
    inheritedPatches = fixes.patches;
    prePatch = ''
      for inherited in $inheritedPatches; do
        if patch -p1 --dry-run --force --silent < "$inherited" > /dev/null; then
          patch -p1 --force < "$inherited"
        else
          echo "mach: nixpkgs' patch $inherited does not apply and is left out"
        fi
      done
    '';
  } // {
    # A name without the build's random folder, for compilers that write paths down.
    unpackPhase = ''
      runHook preUnpack
      ${project.run scripts."unpack_sdist.py"} "$machInfoPath" source
      sourceRoot=source
      runHook postUnpack
    '';
    # No configuration is read but the source's own: without a sandbox there would be the user's and the machine's.
    buildPhase = ''
      runHook preBuild
      export SOURCE_DATE_EPOCH=315532800 PATH="${environment}/bin:$PATH"
      export HOME="$NIX_BUILD_TOP/home" CARGO_HOME="$NIX_BUILD_TOP/cargo" GIT_CONFIG_NOSYSTEM=1
      export XDG_CONFIG_HOME="$HOME/.config" XDG_CACHE_HOME="$HOME/.cache" XDG_DATA_HOME="$HOME/.local/share" XDG_CONFIG_DIRS="$HOME/none"
      mkdir -p "$HOME"
      ${drive scripts."build_wheel.py"} "$NIX_BUILD_TOP" || {
        if [ $? = 2 ]; then ${drive scripts."explain_failure.py"} "$NIX_BUILD_TOP/build.log"; fi
        exit 1
      }
      ${drive scripts."check_wheel.py"} "$NIX_BUILD_TOP"
      runHook postBuild
    '';
    passthru = { inherit source fixes; buildEnvironment = environment; };
  };
}
