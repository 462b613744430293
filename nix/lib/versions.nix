# Versions and specifiers of Python (PEP 440) in Nix, for tables that choose by version when an expression is evaluated.
{ lib }:
let
  least = -1;
  most = 9223372036854775807;

  # The grammar of PEP 440, appendix B, in lower case. Groups: 1 epoch, 3 release, 6 and 7 pre, 8 to 12 post, 14 dev, 15 local.
  grammar = "v?(([0-9]+)!)?([0-9]+([.][0-9]+)*)"
    + "([-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]*))?"
    + "(-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]*))?"
    + "([-_.]?(dev)[-_.]?([0-9]*))?"
    + "([+][a-z0-9]+([-_.][a-z0-9]+)*)?";
  letters = { alpha = 0; a = 0; beta = 1; b = 1; preview = 2; pre = 2; c = 2; rc = 2; };

  # "007" -> 7; JSON has no leading zeros
  number = text: if text == null || text == "" then 0 else builtins.fromJSON (builtins.head (builtins.match "0*([0-9]+)" text));
  withoutZeros = release: if release != [ ] && lib.last release == 0 then withoutZeros (lib.init release) else release;

  parse = text:
    let
      found = builtins.match grammar (lib.toLower (trim text));
      at = builtins.elemAt found;
      epoch = number (at 1);
      release = map number (lib.splitString "." (at 2));
      pre = if at 5 == null then null else [ letters.${at 5} (number (at 6)) ];
      post = if at 7 == null then null else if at 8 != null then number (at 8) else number (at 10);
      dev = if at 12 == null then null else number (at 13);
      # ordered as PEP 440 orders, local parts left aside
      keyOf = dev: [
        epoch
        (withoutZeros release)
        (if pre != null then pre else if post == null && dev != null then [ least 0 ] else [ most 0 ])
        (if post == null then least else post)
        (if dev == null then most else dev)
      ];
    in
    if found == null then null
    else {
      inherit epoch release pre post dev;
      key = keyOf dev;
      # of its first development release, the first of its pre-releases
      firstKey = keyOf 0;
      local = at 14;
    };

  trim = text: let found = builtins.match "[ \t]*(.*[^ \t])[ \t]*" text; in if found == null then "" else builtins.head found;

  # Whether the release of a version begins with another's, filled up with zeros.
  beginsWith = prefix: version:
    let
      wanted = prefix.release;
      has = lib.take (builtins.length wanted) (version.release ++ builtins.genList (_: 0) (builtins.length wanted));
    in
    prefix.epoch == version.epoch && has == wanted;

  test = clause: text:
    let
      found = builtins.match "(===|~=|==|!=|<=|>=|<|>)[ \t]*(.*)" clause;
      operator = builtins.head found;
      wanted = trim (builtins.elemAt found 1);
      version = parse text;
      isPrefix = lib.hasSuffix ".*" wanted;
      other = parse (if isPrefix then lib.removeSuffix ".*" wanted else wanted);
      equal =
        if isPrefix then beginsWith other version
        else version.key == other.key && (other.local == null || version.local == other.local);
      order = {
        "==" = equal;
        "!=" = !equal;
        ">=" = !(version.key < other.key);
        "<=" = !(other.key < version.key);
        # no pre-release of the version that is named, and no post-release of it
        "<" = version.key < (if other.pre == null && other.dev == null then other.firstKey else other.key);
        ">" = other.key < version.key
          && !(other.post == null && other.dev == null && version.post != null && lib.take 3 version.key == lib.take 3 other.key);
        "~=" = !(version.key < other.key) && beginsWith (other // { release = lib.init other.release; }) version;
      };
    in
    if found != null && operator == "===" then lib.toLower (trim text) == lib.toLower wanted
    else if found == null || other == null || (isPrefix && !builtins.elem operator [ "==" "!=" ])
      || (operator == "~=" && builtins.length other.release < 2) then
      throw "mach: ${builtins.toJSON clause} is not a specifier (PEP 440), such as >=2.0"
    else version != null && order.${operator};
in
{
  # Whether a version lies within a specifier, pre-releases included. A version that PEP 440 does not know is within
  # the empty specifier alone.
  isWithin = specifier: version:
    builtins.all (clause: test clause version) (builtins.filter (clause: clause != "") (map trim (lib.splitString "," specifier)));
}
