# A locked wheel, installed.
{ project, fetch, fixesFor }:
pin:
let
  source = fetch pin.artifact;
  fixes = fixesFor pin;
  inherit (fixes) libraries;
in
project.make {
  inherit pin;
  info = { inherit (pin.artifact) filename; wheel = source; };
  # platform tag "any": nothing in it depends on the machine
  hasBinaries = builtins.match ".*-any[.]whl" pin.artifact.filename == null || libraries != [ ];
  inherit libraries;
  extra.passthru = { inherit source fixes; };
}
