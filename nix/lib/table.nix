# Fixes chosen for the pins of a lock from tables (TOML, docs/how-to/fix-a-build.md), as mach gen chooses them.
# tables: texts of TOML with the name that messages call them, in order.
{ lib, arguments, versions, tables }:
{ lock, system }:
let
  accepted = {
    project = "text";
    versions = "text";
    provider = "text";
    platforms = "list";
    libraries = "list";
    tools = "list";
    settings = "set";
    paths = "set";
    optional = "list";
    nixpkgs-inputs = "flag";
    replaces = "flag";
    reason = "text";
    link = "text";
  };
  # The build sets these itself.
  taken = [ "HOME" "PATH" "SOURCE_DATE_EPOCH" "NIX_BUILD_TOP" "TMPDIR" ];
  isVariable = name: builtins.match "[A-Z_][A-Z0-9_]*" name != null && !builtins.elem name taken;

  read = table:
    let
      document = builtins.fromTOML table.text;
      entry = position: given:
        let
          function = "${table.name}: fix ${toString position}";
          checked = arguments.check { inherit function; takes = accepted; } given;
          missing = builtins.filter (key: !(checked ? ${key})) [ "project" "reason" "link" ];
          variables = builtins.attrNames (checked.settings or { } // checked.paths or { });
          wrong = builtins.filter (name: !isVariable name) variables;
        in
        if missing != [ ] then throw "mach: ${function}: ${builtins.head missing} is missing"
        else if wrong != [ ] then throw "mach: ${function}: ${builtins.toJSON (builtins.head wrong)} is not the name of an environment variable that a build may set"
        else checked;
    in
    if removeAttrs document [ "fix" ] != { } then throw "mach: ${table.name} holds ${builtins.head (builtins.attrNames (removeAttrs document [ "fix" ]))}: it may hold [[fix]] tables and nothing else"
    else lib.imap1 entry (document.fix or [ ]);
  entries = builtins.concatMap read tables;

  # "*-linux" -> a regular expression
  matches = pattern: text: builtins.match (lib.concatMapStringsSep ".*" lib.escapeRegex (lib.splitString "*" pattern)) text != null;
  fits = pin: entry:
    entry.project == pin.name
    && (entry.provider or "sdist") == pin.provider
    && builtins.any (pattern: matches pattern system) (entry.platforms or [ "*" ])
    && versions.isWithin (entry.versions or "") pin.version;
  # All that fit count, or those from the last one that replaces others.
  fitting = pin: builtins.foldl' (chosen: entry: if entry.replaces or false then [ entry ] else chosen ++ [ entry ]) [ ]
    (builtins.filter (fits pin) entries);
  kept = [ "reason" "link" "libraries" "tools" "settings" "paths" "optional" "nixpkgs-inputs" ];

  pins = builtins.concatMap (target: if target.system == system then target.pins else [ ]) lock.targets
    ++ builtins.concatMap (closure: closure.pins) (builtins.attrValues lock.build-closures);
  projects = lib.genAttrs (map (entry: entry.project) entries) (_: true);
  ofProvider = provider: builtins.listToAttrs (builtins.filter (item: item.value != [ ]) (map
    (pin: { name = "${pin.name} ${pin.version}"; value = map (lib.filterAttrs (key: _: builtins.elem key kept)) (fitting pin); })
    (builtins.filter (pin: projects ? ${pin.name} && pin.provider == provider) pins)));
in
{ ${system} = lib.genAttrs [ "sdist" "wheel" ] ofProvider; }
