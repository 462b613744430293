# A locked wheel, installed.
{ project, fetch }:
pin:
let
  source = fetch pin.artifact;
in
project.make {
  inherit pin;
  info = { inherit (pin.artifact) filename; wheel = source; };
  # platform tag "any": nothing in it depends on the machine
  hasBinaries = builtins.match ".*-any[.]whl" pin.artifact.filename == null;
  extra.passthru = { inherit source; };
}
