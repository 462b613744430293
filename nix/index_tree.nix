# What one Python set of a nixpkgs has, as values for JSON. Run by nix/tree.py, for one system at a time.
# No path of a derivation is ever asked for: one that cannot be made ends the whole evaluation, uncaught.
# path, system, python: texts. namesFile: a JSON list of the attributes to tell of; "" for what the set is.
{ path, system, python, namesFile ? "" }:
let
  pkgs = import path {
    inherit system;
    overlays = [ ];
    config = {
      allowAliases = false;
      allowBroken = true;
      allowInsecurePredicate = _: true;
      allowUnfree = true;
      allowUnsupportedSystem = true;
    };
  };
  interpreter = pkgs.${python};
  set = interpreter.pkgs;

  isText = builtins.isString;
  # tryEval catches throw and assert, and nothing else.
  try = default: value:
    let tried = builtins.tryEval (builtins.deepSeq value value); in
    if tried.success then tried.value else default;
  text = value: try null (if isText value then builtins.unsafeDiscardStringContext value else null);

  isModule = value: builtins.isAttrs value && builtins.isAttrs (value.pythonModule or null) && !(value ? pythonVersion);

  # Name, version and addresses of the source: what a project is recognised by.
  identify = module:
    let
      parsed = builtins.parseDrvName (module.name or "");
      source = try { } (let s = module.src or null; in if builtins.isAttrs s then { urls = map text (s.urls or (if s ? url then [ s.url ] else [ ])); } else { });
    in
    {
      pname = text (module.pname or parsed.name);
      version = text (module.version or parsed.version);
      urls = builtins.filter isText (source.urls or [ ]);
    };
  identifyAll = modules: map identify (builtins.filter isModule modules);

  marks = module:
    let meta = module.meta or { }; in
    builtins.filter (mark: mark != null) [
      (if try false (meta.broken or false) then "broken" else null)
      (if try false (meta.unsupported or false) then "unsupported on this system" else null)
      (if try false ((meta.knownVulnerabilities or [ ]) != [ ]) then "insecure" else null)
    ];

  # null: not a module of this set; a fault where evaluating it throws.
  tell = name:
    let
      tried = builtins.tryEval set.${name};
      module = tried.value;
      kind = builtins.tryEval (if isModule module then (if module.type or null == "derivation" then "module" else "other") else "other");
      identity = builtins.tryEval (let i = identify module; in builtins.deepSeq i i);
      dependencies = builtins.tryEval (let d = identifyAll (module.propagatedBuildInputs or [ ]); in builtins.deepSeq d d);
      extras = try { } (builtins.mapAttrs (_: modules: identifyAll modules) (module.optional-dependencies or { }));
    in
    if !tried.success || !kind.success then { fault = "evaluating it throws"; }
    else if kind.value == "other" then null
    else if !identity.success then { fault = "its name or version throws"; }
    else if !dependencies.success then { fault = "its dependencies throw"; }
    else identity.value // { inherit extras; dependencies = dependencies.value; marks = marks module; };
in
if namesFile == "" then {
  names = builtins.attrNames set;
  version = text interpreter.version;
  glibc = try null (if pkgs.stdenv.hostPlatform.isLinux or true then text (pkgs.stdenv.cc.libc.version or pkgs.glibc.version) else null);
  darwin = try null (if pkgs.stdenv.hostPlatform.isDarwin or false then text (pkgs.stdenv.hostPlatform.darwinMinVersion or null) else null);
} else
  builtins.listToAttrs (map (name: { inherit name; value = tell name; }) (builtins.fromJSON (builtins.readFile namesFile)))
