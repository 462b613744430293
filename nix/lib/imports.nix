# A check of an environment: the modules of its projects can be imported, and what its programs run is there.
{ python, scripts }:
# env: the environment; projects: those whose modules are imported; modules: names to import besides.
{ env, projects, modules ? [ ] }:
env.overrideAttrs (old: {
  phases = old.phases ++ [ "importPhase" ];
  passAsFile = old.passAsFile ++ [ "machImports" ];
  machImports = builtins.toJSON {
    inherit (python) sitePackages;
    inherit modules;
    projects = map (entry: { name = entry.pname; inherit (entry) version; path = "${entry}"; }) projects;
  };
  importPhase = "$out/bin/${python.executable} -I -B -X utf8 ${scripts."check_imports.py"} \"$machImportsPath\"";
})
