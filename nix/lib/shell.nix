# A development shell with the environment in its PATH.
{ pkgs, env }:
pkgs.mkShell {
  name = "mach-shell";
  packages = [ env ];
  # Other interpreters' modules must not leak in.
  shellHook = "unset PYTHONPATH PYTHONHOME";
}
