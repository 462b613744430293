# Sources: fetching a locked file by its hash, and making store names out of strangers' names.
{ pkgs, mirrors }:
let
  trim = url: if pkgs.lib.hasSuffix "/" url then trim (pkgs.lib.removeSuffix "/" url) else url;
  # The characters of RFC 3986 without brackets, and no scheme but these: nixpkgs' fetchurl expands
  # others (mirror://) in a shell.
  isUrl = url:
    builtins.stringLength url <= 4000
    && builtins.match "(https?|file)://[-A-Za-z0-9._~:/?#@!$&'()*+,;=%]+" url != null;
in
rec {
  # Any text -> a name that the store takes.
  storeName = text:
    let
      parts = builtins.split "[^-A-Za-z0-9+._]+" (builtins.substring 0 160 text);
      name = pkgs.lib.concatStrings (map (part: if builtins.isList part then "-" else part) parts);
    in
    if builtins.match "[A-Za-z0-9].*" name == null then "source${name}" else name;

  # An artifact of the lock -> its file. Each of `mirrors` is a base URL below which a file lies at
  # its SHA-256 in hexadecimal, MIRROR/HASH; they come first, in order, then the URL in the lock.
  fetch = artifact:
    if !isUrl artifact.url then
      throw "mach: refusing to fetch ${builtins.toJSON artifact.filename}: ${builtins.toJSON artifact.url} is not a plain http, https or file URL"
    else
      pkgs.fetchurl {
        name = storeName artifact.filename;
        urls = map (mirror: "${trim mirror}/${artifact.sha256}") mirrors ++ [ artifact.url ];
        inherit (artifact) sha256;
      };
}
