# Mirrors: where the files of archives lie (mach archive), in folders of the user and on servers.
# mirrors: paths of Nix; texts: file:///FOLDER, http(s)://…. Folders are looked into when the expression is
# evaluated: what lies there enters the store as the user, and no build has to be able to read it.
{ mirrors }:
let
  matches = pattern: text: builtins.match pattern text != null;
  trim = text: if matches ".*/" text then trim (builtins.substring 0 (builtins.stringLength text - 1) text) else text;

  # %20 in a file URL; what is not ASCII is better said as a path.
  decode = url: builtins.concatStringsSep "" (map
    (part:
      if !builtins.isList part then part
      else if matches "[0-7].*" (builtins.head part) then builtins.fromJSON ''"\u00${builtins.head part}"''
      else throw "mach: write the mirror ${builtins.toJSON url} as a path (/srv/archive): it escapes characters that are not ASCII")
    (builtins.split "%([0-9A-Fa-f][0-9A-Fa-f])" url));
  encode = builtins.replaceStrings [ "%" " " "#" "?" "[" "]" "\"" "<" ">" "^" "`" "{" "|" "}" "\\" ] [ "%25" "%20" "%23" "%3F" "%5B" "%5D" "%22" "%3C" "%3E" "%5E" "%60" "%7B" "%7C" "%7D" "%5C" ];

  # Under pure evaluation only folders in the store can be looked into.
  canLook = builtins ? currentSystem;
  folderOf = mirror:
    if builtins.isPath mirror then [ (toString mirror) ]
    else if matches "file:///.*" mirror then (if canLook then [ (decode (builtins.substring 7 (-1) mirror)) ] else [ ])
    else if matches "https?://.+" mirror then [ ]
    else throw "mach: the mirror ${builtins.toJSON mirror} is neither a path nor a URL (file:///…, http://…, https://…)";
  folders = builtins.concatMap folderOf mirrors;
  texts = map trim (builtins.filter builtins.isString mirrors);
  servers = builtins.filter (matches "https?://.*") texts;

  checked = name:
    if matches "[0-9a-z][0-9a-z.-]*" name then name else throw "mach: ${builtins.toJSON name} is not the name of a file of an archive";

  digits = builtins.listToAttrs (builtins.genList
    (value: { name = builtins.substring value 1 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"; inherit value; }) 64);
  hexadecimal = value: builtins.substring value 1 "0123456789abcdef";
  remainder = value: divisor: value - (value / divisor) * divisor;
in
rec {
  # The path of a file in the first folder that has it; null where none has.
  find = name:
    let there = builtins.filter builtins.pathExists (map (folder: /. + "${folder}/${checked name}") folders); in
    if there == [ ] then null else builtins.head there;

  # Where builds may look for a file.
  urls = name: map (mirror: "${mirror}/${checked name}") texts;
  # Where servers may have it.
  served = name: map (server: "${server}/${checked name}") servers;

  # sha256-BASE64= -> 64 hexadecimal digits.
  toHexadecimal = sri:
    let
      at = i: digits.${builtins.substring (7 + i) 1 sri};
      # two digits of base 64 are three of base 16
      three = i: let v = at (2 * i) * 64 + at (2 * i + 1); in
        hexadecimal (v / 256) + hexadecimal (remainder (v / 16) 16) + hexadecimal (remainder v 16);
    in
    if !matches "sha256-[A-Za-z0-9+/]{43}=" sri then throw "mach: ${builtins.toJSON sri} is not a SHA-256 as Nix writes it"
    else builtins.concatStringsSep "" (builtins.genList three 21) + hexadecimal (at 42 / 4);

  # The files of a pinned nixpkgs. fetchTarball takes one address, and evaluation cannot try another
  # after it: a folder that has the tarball, else the first server among the mirrors, else its own host.
  nixpkgs = { rev, sha256 }:
    let
      name = "nixpkgs-${rev}.tar.gz";
      local = find name;
      from = served name;
    in
    fetchTarball {
      url =
        if local != null then "file://${encode (toString local)}"
        else if from != [ ] then builtins.head from
        else "https://github.com/NixOS/nixpkgs/archive/${rev}.tar.gz";
      inherit sha256;
    };
}
