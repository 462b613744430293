# One installed project as a derivation: what wheels and sdists have in common.
{ pkgs, python, scripts, storeName, installer }:
let
  inherit (pkgs) lib stdenv;
  isLinux = stdenv.hostPlatform.isLinux;
  builder = python.pythonOnBuildForHost or python;

  # Where binaries of wheels find what the manylinux policies let them expect of a system.
  systemLibraries = lib.unique (builtins.filter (library: library != null) (
    (pkgs.pythonManylinuxPackages.manylinux2014 or [ ])
    ++ [ (stdenv.cc.libc or null) (pkgs.zlib or null) (pkgs.expat or null) stdenv.cc.cc.lib ]
  ));
in
rec {
  # -I leaves out PYTHON* variables, user site and current folder; -S site-packages, of which no script needs anything.
  run = script: "${builder.interpreter} -I -S -B -X utf8 ${script}";

  # For every builder of ours, before anything else.
  prepare = ''
    unset PYTHONPATH PYTHONHOME PYTHONSTARTUP
    export PYTHONHASHSEED=0 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=315532800
  '';

  # pin: as in the lock. info: what the install script needs to know. hasBinaries: may hold ELF files.
  # tools: for the build. libraries: what its binaries may load besides the system's.
  # Text from the lock reaches the builder as one JSON file, never as a word of the shell.
  make = { pin, info, hasBinaries, phases ? [ ], tools ? [ ], libraries ? [ ], extra ? { } }:
    stdenv.mkDerivation ({
      name = storeName "${python.libPrefix}-${pin.name}-${pin.version}";
      phases = [ "preparePhase" ] ++ phases ++ [ "installPhase" ]
        ++ lib.optional (hasBinaries && isLinux) "patchBinariesPhase"
        ++ [ "bytecodePhase" ];

      passAsFile = [ "machInfo" ];
      machInfo = builtins.toJSON (info // {
        inherit (pin) name version;
        inherit installer;
        inherit (python) sitePackages libPrefix;
      });

      preparePhase = prepare;
      installPhase = ''
        runHook preInstall
        ${run scripts."install_wheel.py"} "$machInfoPath" "$out"
        runHook postInstall
      '';
      # A hash seed needs the environment, which -I ignores; the script leaves out its own folder.
      bytecodePhase = "${builder.interpreter} -s -S -B -X utf8 ${scripts."compile_bytecode.py"} \"$out/${python.sitePackages}\"";

      passthru = {
        pname = pin.name;
        inherit (pin) version;
        provider = pin.provider or null;
        dependencies = builtins.attrNames pin.dependencies;
        extras = pin.extras or [ ];
        pythonModule = python;
      } // (extra.passthru or { });
      meta.description = "${pin.name} ${pin.version}, locked by mach";
      nativeBuildInputs = lib.optional (hasBinaries && isLinux) pkgs.patchelf ++ tools;
    } // lib.optionalAttrs (hasBinaries && isLinux) {
      # Folders, joined by colons; an override may add to it.
      runtimeLibraries = lib.makeLibraryPath (systemLibraries ++ libraries);
      loader = stdenv.cc.bintools.dynamicLinker;
      patchBinariesPhase = ''
        ${run scripts."patch_binaries.py"} "$out" "$runtimeLibraries" "$loader"
      '';
    } // builtins.removeAttrs extra [ "passthru" ]);
}
