# A locked wheel, installed.
{ project, fetch, fixesFor }:
pin:
let
  source = fetch pin.artifact;
  inherit (fixesFor pin) libraries;
in
project.make {
  inherit pin;
  info = { inherit (pin.artifact) filename; wheel = source; };
  # platform tag "any": nothing in it depends on the machine
  hasBinaries = builtins.match ".*-any[.]whl" pin.artifact.filename == null || libraries != [ ];
  inherit libraries;
  extra.passthru = { inherit source; };
}
