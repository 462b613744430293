# What a chain of attributes names: gen.python.requests.numpy is the environment of these projects, and has an attribute
# for each project that may be added to it.
# projects: the names that there are, normalised. make: names, sorted and each once -> a derivation of them.
# forwarded: the attributes of such a derivation that are reached through the chain.
{ lib }:
{ projects, make, forwarded }:
let
  # Every level is a view of this one set. As "_" in an attribute needs no quotes anywhere, it may stand for "-".
  spellings = name: [ name ] ++ lib.optional (lib.hasInfix "-" name) (builtins.replaceStrings [ "-" ] [ "_" ] name);
  known = builtins.listToAttrs (lib.concatMap (name: map (spelling: { name = spelling; value = name; }) (spellings name)) projects);

  # Below the first level, a project of such a name would be taken for an attribute or an output of the derivation.
  ofDerivations = [
    "all" "args" "builder" "drvAttrs" "drvPath" "meta" "name" "out" "outPath" "outputName" "outputs" "override"
    "overrideAttrs" "passthru" "system" "type"
  ] ++ forwarded;
  absent = [ "bin" "debug" "dev" "devdoc" "doc" "info" "lib" "man" "patches" "phases" "pname" "src" "static" "stdenv" "tests" "version" ];
  further = removeAttrs known (ofDerivations ++ absent);

  level = chosen:
    let made = make (builtins.sort builtins.lessThan (lib.unique chosen)); in
    builtins.mapAttrs (_: name: level (chosen ++ [ name ])) further
    // lib.genAttrs ofDerivations (attribute: made.${attribute})
    # known before anything is resolved; nothing of it is looked for in outputs that it does not have
    // { type = "derivation"; outputSpecified = true; };
in
builtins.mapAttrs (_: name: level [ name ]) known
