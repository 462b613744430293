# The self-contained expression of a lock as text: what mach gen writes, made by Nix.
{ lib, texts, scripts }:
{ lock, fixes }:
let
  # Any text as a literal of Nix; a raw carriage return would become a line feed.
  literal = text: "\"${builtins.replaceStrings [ "\\" "\"" "$" "\n" "\r" "\t" ] [ "\\\\" "\\\"" "\\$" "\\n" "\\r" "\\t" ] text}\"";
  value = given: "builtins.fromJSON ${literal (builtins.toJSON given)}";
  used = lib.filterAttrs (name: _: builtins.elem name [ "build-closures" "nixpkgs" "targets" "tools" ]) lock;
  indented = text: lib.concatStringsSep "\n" (map (line: if line == "" then line else "      ${line}") (lib.splitString "\n" (lib.removeSuffix "\n" text)));
  part = name: "    ${name} = (\n${indented texts.${name}}\n    );\n";
  script = name: text: "    ${literal name} = ${literal text};\n";
in
''
  # Made by mach from a lock. nix-build FILE -A env; overrides and the other arguments are those of mach gen.
  { pkgs ? null, python ? null, overrides ? [ ], mirrors ? [ ], netrc ? { }, collisions ? { }, root ? ./., inNixShell ? false }:
  let
    lock = ${value used};
    fixes = ${value fixes};
    known = null;
    scripts = {
  ${lib.concatStrings (lib.mapAttrsToList script scripts)}  };
    parts = {
  ${lib.concatMapStrings part (builtins.attrNames texts)}  };
  in
  parts.assemble { inherit parts scripts lock fixes known pkgs python overrides mirrors netrc collisions root inNixShell; }
''
