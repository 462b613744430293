# Sources: fetching what a lock names by its hash, taking local folders, and making store names out of strangers' names.
# mirror: the part of that name, for the user's mirrors.
# root: the folder that relative paths of the lock start from.
# netrc: scheme://host of a private index -> whose netrc-file opens it, "user" or "machine".
{ pkgs, python, scripts, mirror, netrc, root }:
let
  # The characters of RFC 3986 without brackets, and no scheme but these: nixpkgs' fetchurl expands
  # others (mirror://) in a shell.
  isUrl = url:
    builtins.stringLength url <= 4000
    && builtins.match "(https?|file)://[-A-Za-z0-9._~:/?#@!$&'()*+,;=%]+" url != null;
  isRepository = url:
    builtins.stringLength url <= 4000
    && builtins.match "(https?|ssh|file)://[-A-Za-z0-9._~:/?@!$&'()*+,;=%]+" url != null;

  # What tools leave in a working tree; none of it is part of the project.
  leftovers = [ ".git" ".hg" ".svn" ".venv" "venv" ".tox" ".nox" "__pycache__" ".mypy_cache" ".ruff_cache" ".pytest_cache" ".direnv" "node_modules" "result" ];
  isSource = path: type:
    let name = baseNameOf path; in
    type != "unknown" && !builtins.elem name leftovers && builtins.match ".*[.](pyc|egg-info)|result-.*" name == null;

  # What passwords belong to: scheme, host and port of a URL.
  origin = url: builtins.head (builtins.match "([a-z]+://[^/?#]*).*" url);

  # Nix's own fetcher (Nix manual, "netrc-file"), which takes passwords from a file that the sandbox and the
  # store never see. The output is the one that pkgs.fetchurl has: only the hash and the name count.
  fetchPrivate = { name, url, sha256 }: derivation {
    inherit name url;
    urls = [ url ];
    builder = "builtin:fetchurl";
    system = "builtin";
    outputHash = sha256;
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    executable = false;
    unpack = false;
    preferLocalBuild = true;
    impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
  };
in
rec {
  # Any text -> a name that the store takes.
  storeName = text:
    let
      parts = builtins.split "[^-A-Za-z0-9+._]+" (builtins.substring 0 160 text);
      name = pkgs.lib.concatStrings (map (part: if builtins.isList part then "-" else part) parts);
    in
    if builtins.match "[A-Za-z0-9].*" name == null then "source${name}" else name;

  # A path of the lock -> a path of Nix.
  locate = path: if builtins.substring 0 1 path == "/" then /. + path else root + "/${path}";

  # A local artifact of the lock -> its copy in the store: a folder as it is now, a file by its hash.
  # A file that is gone is looked for in the mirrors.
  copy = artifact:
    let
      place = locate artifact.path;
      kept = if artifact ? sha256 then mirror.find artifact.sha256 else null;
      served = if artifact ? sha256 then mirror.served artifact.sha256 else [ ];
      file = path: builtins.path { inherit path; name = storeName artifact.filename; recursive = false; inherit (artifact) sha256; };
    in
    if builtins.pathExists place then
      (if artifact ? sha256 then file place else builtins.path { path = place; name = storeName (baseNameOf place); filter = isSource; })
    else if kept != null then
      file kept
    else if served != [ ] then
      builtins.fetchurl { url = builtins.head served; name = storeName artifact.filename; inherit (artifact) sha256; }
    else
      throw "mach: ${builtins.toJSON artifact.path} is not there (looked for at ${toString place}): pass the folder that the lock's paths start from as root";

  # A commit -> its files: from the NAR of them in a mirror, else from its repository. What is behind ssh or
  # on this machine is fetched as the user, since a build has neither keys nor the machine's files. Each way
  # gives one output with the hash of the lock, so that nothing which depends on it differs.
  checkout = artifact:
    let
      name = storeName (baseNameOf artifact.url);
      sha256 = mirror.toHexadecimal artifact.nar-hash;
      kept = mirror.find sha256;
      nars =
        if kept == null then mirror.urls sha256
        else [ (builtins.path { path = kept; name = "${name}.nar"; recursive = false; inherit sha256; }) ];
      isServed = builtins.match "https?://.*" artifact.url != null;
      viaGit = kept == null && isServed;
      tree = builtins.fetchGit { inherit (artifact) url; rev = artifact.commit; allRefs = true; };
    in
    if !isRepository artifact.url || builtins.match "[0-9a-f]{40}" artifact.commit == null then
      throw "mach: refusing to fetch ${builtins.toJSON artifact.url}: it is not a plain address of a git repository and a commit"
    else if isServed && nars == [ ] then
      pkgs.fetchgit {
        inherit name;
        inherit (artifact) url;
        rev = artifact.commit;
        hash = artifact.nar-hash;
        fetchSubmodules = false;
        leaveDotGit = false;
      }
    else
      pkgs.stdenvNoCC.mkDerivation {
        inherit name;
        outputHashMode = "recursive";
        outputHashAlgo = "sha256";
        outputHash = artifact.nar-hash;
        nativeBuildInputs = if viaGit then [ (pkgs.gitMinimal or pkgs.git) ] else [ ];
        passAsFile = [ "machInfo" ];
        machInfo = builtins.toJSON {
          inherit sha256 nars;
          label = "${artifact.commit} of ${artifact.url}";
          repository = if viaGit then { inherit (artifact) url commit; } else null;
          tree = if nars == [ ] then tree.outPath else null;
        };
        buildCommand = "${(python.pythonOnBuildForHost or python).interpreter} -I -B -X utf8 ${scripts."fetch_checkout.py"} \"$machInfoPath\" \"$out\"";
        preferLocalBuild = true;
        impureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
      };

  # Any artifact of the lock -> its file or folder.
  fetch = artifact: {
    url = download;
    vcs = checkout;
    path = copy;
    # of Nix itself, in place of the lock's
    given = artifact: artifact.source;
  }.${artifact.type or "url"} artifact;

  # An artifact of the lock -> its file: from the mirrors, in order, then from the URL in the lock.
  download = artifact:
    if !isUrl artifact.url then
      throw "mach: refusing to fetch ${builtins.toJSON artifact.filename}: ${builtins.toJSON artifact.url} is not a plain http, https or file URL"
    else
      let
        name = storeName artifact.filename;
        kept = mirror.find artifact.sha256;
        urls = mirror.urls artifact.sha256;
        whose = netrc.${origin artifact.url} or null;
        open = pkgs.fetchurl { inherit name; urls = urls ++ [ artifact.url ]; inherit (artifact) sha256; };
        private = fetchPrivate { inherit name; inherit (artifact) url sha256; };
      in
      if kept != null then
        # The file is then where the derivation would put it, which has nothing left to do.
        builtins.seq (builtins.path { path = kept; inherit name; recursive = false; inherit (artifact) sha256; }) open
      # Mirrors are asked for everything, so that a file is had where its index is gone.
      else if urls != [ ] || whose == null then
        open
      else if whose == "machine" then
        private
      else if whose == "user" then
        builtins.seq (builtins.fetchurl { inherit name; inherit (artifact) url sha256; }) private
      else
        throw "mach: netrc.${builtins.toJSON (origin artifact.url)} must be \"user\" or \"machine\"; a password does not belong there";
}
