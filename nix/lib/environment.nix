# Projects side by side in one prefix, with an interpreter that knows it.
# programs: derivations whose programs the interpreter finds last in its PATH.
# checksLibraries: refuse an environment whose modules could not load a library that they need.
# ignoreCollisions: of files that differ at one path, the one of the first project by name is taken.
# postBuild: shell text that runs at the end, with the environment in $out.
{ pkgs, python, project, scripts, storeName, collisions }:
{ name, projects, programs ? [ ], checksLibraries ? true, ignoreCollisions ? false, postBuild ? "" }:
let
  inherit (pkgs) lib stdenv;
  checked = checksLibraries && stdenv.hostPlatform.isLinux;
  describe = entry: {
    name = entry.pname;
    inherit (entry) version;
    path = "${entry}";
  } // lib.optionalAttrs checked {
    provider = entry.provider or null;
    optional = entry.fixes.optional or [ ];
  };
in
stdenv.mkDerivation ({
  name = storeName "${python.libPrefix}-${name}";
  nativeBuildInputs = [ pkgs.makeBinaryWrapper ];
  phases = [ "preparePhase" "installPhase" ];
  passAsFile = [ "machInfo" ];
  machInfo = builtins.toJSON ({
    inherit (python) sitePackages executable;
    inherit collisions;
    interpreter = python.interpreter;
    pythonVersion = python.version;
    projects = map describe projects;
    # How @loader_path behaves through symbolic links is untested there.
    copy = stdenv.hostPlatform.isDarwin;
  } // lib.optionalAttrs checked {
    loader = stdenv.cc.bintools.dynamicLinker;
    scripts = { patch_binaries = scripts."patch_binaries.py"; explain_failure = scripts."explain_failure.py"; };
  } // lib.optionalAttrs ignoreCollisions { inherit ignoreCollisions; });
  preparePhase = project.prepare;
  # argv[0] decides where Python looks for pyvenv.cfg, so it is always the one in this environment,
  # whichever link it was started through.
  installPhase = ''
    ${project.run scripts."compose_environment.py"} "$machInfoPath" "$out"
    ${lib.optionalString checked "${project.run scripts."check_libraries.py"} \"$machInfoPath\" \"$out\""}
    makeBinaryWrapper ${python.interpreter} "$out/bin/${python.executable}" --argv0 "$out/bin/${python.executable}"${lib.optionalString (programs != [ ]) " --suffix PATH : ${lib.makeBinPath programs}"}
    ln -s ${python.executable} "$out/bin/python3"
    ln -s ${python.executable} "$out/bin/python"
  '' + lib.optionalString (postBuild != "") "runHook postBuild\n";
  passthru = {
    inherit python projects;
    inherit (python) sitePackages pythonVersion;
  };
  meta.mainProgram = python.executable;
} // lib.optionalAttrs (postBuild != "") { inherit postBuild; })
