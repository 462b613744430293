# mach for Nix users: mkPython and its family over locks. docs/reference/nix-library.md tells what each function takes.
#
#   (import ./mach { }).mkPython { lock = ./mach.lock; }
#
# pkgs: the nixpkgs to build on; null: the one that a lock pins, else <nixpkgs>.
# lock, python, mirrors, netrc, fixes: for every call that does not give its own.
# catalog: { snapshot, sha256 }, a file of mach db export, on which requirements are resolved.
# program: the mach that resolves; null: the one that is built from this folder.
{ ... }@arguments:
let
  defaults = { pkgs = null; lock = null; python = null; mirrors = [ ]; netrc = { }; fixes = [ ]; catalog = null; program = null; };
  folder = ./nix/lib;
  files = builtins.attrNames (builtins.readDir folder);
  ending = pattern: builtins.filter (name: builtins.match pattern name != null) files;
  stem = name: builtins.head (builtins.match "(.*)[.]nix" name);
  read = names: toKey: toValue: builtins.listToAttrs (map (name: { name = toKey name; value = toValue (folder + "/${name}"); }) names);
  parts = read (ending ".*[.]nix") stem import;

  lib = (if arguments.pkgs or null != null then arguments.pkgs else found).lib;
  unknown = builtins.filter (name: !(defaults ? ${name})) (builtins.attrNames arguments);
  given = if unknown == [ ] then defaults // arguments
    else (parts.arguments { inherit lib; }).check { function = "import"; takes = builtins.mapAttrs (_: _: "any") defaults; } arguments;
  libraryOn = pkgs: parts.library (given // {
    inherit parts pkgs;
    texts = read (ending ".*[.]nix") stem builtins.readFile;
    scripts = read (builtins.filter (name: name != "__init__.py") (ending ".*[.]py")) (name: name) builtins.readFile;
    table = { name = "nix/fixes.toml"; text = builtins.readFile ./nix/fixes.toml; };
    program = if given.program != null then given.program else mach;
  });

  # Without pkgs, a call is on the nixpkgs that its lock pins.
  found = import <nixpkgs> { };
  pinOf = value:
    let
      lock = if builtins.isAttrs value && value ? lock then value.lock else given.lock;
      isFile = builtins.isPath lock || (builtins.isString lock && builtins.match "/.*" lock != null);
      # the library says what is wrong with a file that is no lock
      text = if builtins.pathExists lock then builtins.readFile lock else "";
      content = if !isFile then lock else if builtins.substring 0 1 text == "{" then builtins.fromJSON text else null;
    in
    if builtins.isAttrs content then content.nixpkgs or null else null;
  pkgsOf = value:
    let pin = pinOf value; mirrors = if builtins.isAttrs value then value.mirrors or given.mirrors else given.mirrors; in
    if pin == null then found else import ((parts.mirrors { inherit mirrors; }).nixpkgs pin) { config = { }; overlays = [ ]; };
  plain = libraryOn (if given.pkgs != null then given.pkgs else found);
  library = if given.pkgs != null then plain
    else plain
      // { inherit (libraryOn (pkgsOf { })) gen pythonWith "with" shellWith dockerImageWith; }
      // builtins.mapAttrs (name: _: value: (libraryOn (pkgsOf value)).${name} value) plain.argumentsOf;

  # the program, built from its own lock by its own library
  mach = import ./nix/own.nix {
    library = plain;
    pkgs = if given.pkgs != null then given.pkgs else found;
    lock = builtins.fromJSON (builtins.readFile ./mach.lock);
    source = ./.;
  };
in
library // {
  inherit mach;
  # its name in mach-nix
  mach-nix = mach;
}
