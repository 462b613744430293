# Requirements resolved while Nix evaluates: mach runs in a derivation, offline, on a catalog that is pinned by its hash,
# and what it writes is a lock like any other.
# catalog: null, or { snapshot, sha256 }: a file of mach db export as a path or a URL, and its SHA-256; indexes: the URLs
# that it was crawled from, where they are not the one that mach asks by itself. program: the derivation of mach.
# pkgs: what is built on. function: what messages call the caller. isLocked: whether the import has a lock.
{ lib, arguments, catalog, program, toHexadecimal, pkgs, function, isLocked }:
let
  checked = arguments.check { function = "catalog"; takes = { snapshot = "any"; sha256 = "text"; indexes = "list"; }; } catalog;
  lacking = builtins.filter (name: !(checked ? ${name})) [ "snapshot" "sha256" ];
  facts =
    if builtins.isString checked.snapshot && builtins.match "[a-z]+://.*" checked.snapshot != null then
      pkgs.fetchurl { name = "mach-facts"; url = checked.snapshot; inherit (checked) sha256; }
    else
      let
        stated = if lib.hasPrefix "sha256-" checked.sha256 then toHexadecimal checked.sha256 else checked.sha256;
        found = builtins.hashFile "sha256" checked.snapshot;
      in
      if found == stated then builtins.path { path = checked.snapshot; name = "mach-facts"; recursive = false; }
      else throw "mach: catalog: ${toString checked.snapshot} has the SHA-256 ${found}, and sha256 says ${stated}";

  indexes = checked.indexes or [ ];

  # mach at work, with its catalog in the file $MACH_DB.
  run = name: attributes: text: pkgs.stdenv.mkDerivation ({
    inherit name;
    nativeBuildInputs = [ program ];
    phases = [ "machPhase" ];
    machPhase = ''
      export HOME="$NIX_BUILD_TOP/home" MACH_DB="$NIX_BUILD_TOP/catalog.db"
      mkdir -p "$HOME" work
      cd work
      ${text}
    '';
  } // attributes);
  # Reading facts takes longer than most answers, so it is done once for all of them. The file says when that was;
  # no answer does.
  imported = run "mach-catalog" { inherit facts; } ''
    mach db import "$facts" --quiet
    test ! -s "$MACH_DB-wal" # else a part of it would stay behind
    mv "$MACH_DB" "$out"
  '';
  # What mach writes to $out when it is run on the catalog, as text.
  ask = name: attributes: text: builtins.unsafeDiscardStringContext (builtins.readFile (run name ({ inherit imported; } // attributes) ''
    cp "$imported" "$MACH_DB"
    chmod u+w "$MACH_DB"
    ${text}
  ''));
  onCatalog = value:
    if catalog == null && isLocked then
      throw "mach: ${function} resolves requirements on a pinned catalog, and the import was given a lock alone: pass catalog = { snapshot = …; sha256 = …; } (a file of mach db export), or take what the lock has: gen.python.NAME.NAME for some of its projects, mkPython { } for all; what it lacks is put in with mach lock"
    else if catalog == null then
      throw "mach: ${function} resolves requirements on a pinned catalog, and the import was given none: pass catalog = { snapshot = …; sha256 = …; } (a file of mach db export), or run mach lock -r requirements.txt and pass lock = ./mach.lock;"
    else if lacking != [ ] then throw "mach: catalog lacks ${builtins.head lacking}: { snapshot = FILE or URL of mach db export; sha256 = …; }"
    else value;

  # A list or a text in mach-nix' form: { _default = "wheel,sdist"; numpy = [ "wheel" ]; }, or one of them for all.
  listed = value:
    if builtins.isString value then value
    else if builtins.isList value then lib.concatStringsSep "," value
    else throw "mach: ${function}: providers takes texts and lists, { _default = \"wheel,sdist\"; numpy = \"wheel\"; }, and was given a value of type ${builtins.typeOf value}";
  asSet = value: if builtins.isAttrs value then value else { _default = value; };
  choices = providers: lib.concatLists (lib.mapAttrsToList
    (name: value: if name == "_default" then [ "--providers" (listed value) ] else [ "--provider" "${name}=${listed value}" ])
    providers);
  ofIndexes = lib.concatLists (lib.imap1 (position: url: [ (if position == builtins.length indexes then "--index-url" else "--extra-index-url") url ]) indexes);
in
{
  # The lock of a request, as a value. python: the interpreter, whose exact version takes part.
  resolve = { request, python }:
    let
      words = [ "--offline" "--python" python.version "--platform" pkgs.stdenv.hostPlatform.system ]
        ++ choices (asSet (request._providerDefaults or { }) // asSet (request.providers or { })) ++ ofIndexes;
      attributes = {
        passAsFile = [ "requirements" ];
        requirements = lib.concatStringsSep "\n" [ (request.requirements or "") (request.requirementsExtra or "") "" ];
      };
    in
    onCatalog (builtins.fromJSON (ask "mach.lock" attributes ''
      cp "$requirementsPath" requirements.txt
      mach lock -r requirements.txt -o "$out" --quiet ${lib.escapeShellArgs words} || {
        code=$?
        if test "$code" = 3; then # its hint is for a catalog that can be filled
          echo "mach: what the pinned catalog of the import lacks: put it into yours (mach lock -r requirements.txt --python ${python.version}), export that (mach db export FILE), and pin FILE" >&2
        fi
        exit "$code"
      }
    ''));

  # The names of the projects that the catalog has on its indexes.
  projects =
    let
      withSlash = url: lib.removeSuffix "/" url + "/";
      byIndex = builtins.fromJSON (ask "mach-projects" { } "mach db projects --json >\"$out\"\n");
      asked = lib.filterAttrs (index: _: builtins.elem index (map withSlash indexes)) byIndex;
    in
    onCatalog (lib.concatLists (builtins.attrValues (if indexes == [ ] then byIndex else asked)));
}
