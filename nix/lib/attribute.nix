# What nixpkgs itself has of a project, in the shape of any other: its files linked, its programs made anew.
{ pkgs, python, project, scripts }:
pin:
let
  inherit (pin.artifact) attribute version;
  place = "${python.libPrefix}.pkgs.${attribute}";
  refuse = sentence: throw "mach: ${pin.name} ${pin.version} is locked from nixpkgs' ${place}, ${sentence}";
  module =
    if !(python ? pkgs) then refuse "and the interpreter that is given has no set of modules (pkgs)"
    else python.pkgs.${attribute} or (refuse "which this nixpkgs does not have: build with the nixpkgs that the lock pins");
  found = module.version or (builtins.parseDrvName module.name).version;
  checked =
    if found != version then refuse "which is version ${found} in this nixpkgs and was ${version} in the one that was locked"
    else if !(builtins.isAttrs (module.pythonModule or null)) then refuse "which is a program in this nixpkgs, not a module"
    else if "${module.pythonModule}" != "${python}" then refuse "which is built for another interpreter, ${module.pythonModule.name or "of no name"}"
    else module;
in
project.make {
  inherit pin;
  hasBinaries = false;
  info = { module = "${pkgs.lib.getOutput "out" checked}"; };
  extra = {
    # What it holds was compiled where it was built.
    phases = [ "preparePhase" "installPhase" ];
    installPhase = ''
      ${project.run scripts."link_module.py"} "$machInfoPath" "$out"
    '';
    passthru = { module = checked; };
  };
}
