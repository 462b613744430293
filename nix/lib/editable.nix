# A project in its working tree: its metadata and programs are installed, its modules are imported from where they are.
{ project, locate, python, pkgs, scripts }:
pin:
let
  place = locate pin.artifact.path;
  # Python has a parser for pyproject.toml since 3.11.
  driver = if builtins.compareVersions python.pythonVersion "3.11" < 0 then pkgs.python3 else python.pythonOnBuildForHost or python;
in
project.make {
  inherit pin;
  hasBinaries = false;
  info = {
    # the text of the path alone: an edit of the working tree builds nothing
    tree = toString place;
    hasSrc = builtins.pathExists (place + "/src");
    pyproject =
      if builtins.pathExists (place + "/pyproject.toml") then
        builtins.path { path = place + "/pyproject.toml"; name = "pyproject.toml"; recursive = false; }
      else
        throw "mach: ${builtins.toJSON pin.artifact.path} cannot be imported from where it is: its metadata is taken from [project] of its pyproject.toml, and it has none; lock it without -e";
  };
  extra.installPhase = ''
    runHook preInstall
    ${driver.interpreter} -I -B -X utf8 ${scripts."install_editable.py"} "$machInfoPath" "$out"
    runHook postInstall
  '';
}
