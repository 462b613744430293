# What test_stand_in.py looks at: facts as plain values, and derivations to build.
{ pkgs }:
let
  inherit (pkgs) lib;
  env = pkgs.python3.withPackages (_: [ ]);
  wrap = name: arguments: pkgs.runCommand name { nativeBuildInputs = [ pkgs.makeBinaryWrapper ]; } ''
    mkdir $out; makeWrapper ${show}/bin/show $out/wrapper ${arguments}
  '';
  show = pkgs.runCommand "show" { } ''
    mkdir -p $out/bin; cp ${pkgs.bash}/bin/bash $out/bin/show
  '';
in
{
  facts = {
    python = { inherit (pkgs.python3) version pythonVersion sourceVersion name pname executable sitePackages; };
    glibc = { inherit (pkgs.glibc) version name; same = pkgs.stdenv.cc.libc.version; };
    # what only a withPackages environment has, in nixpkgs as here
    environments = map (p: p ? env && p ? python) [ pkgs.python3 env pkgs.python3.pkgs.python ];
    platforms = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (system:
      let p = (import <nixpkgs> { inherit system; }).stdenv.hostPlatform; in
      { inherit (p) system isLinux isDarwin isx86_64 isAarch64 libc; cpu = p.parsed.cpu.name; });
    overlaid = (pkgs.extend (_: prev: { zlib = prev.zlib // { marked = true; }; })).zlib.marked;
    overlays = (import <nixpkgs> { overlays = [ (_: _: { extra = 1; }) (final: _: { more = final.extra + 1; }) ]; }).more;
    safe = map lib.sanitizeDerivationName [ "..a b%c" "" "plain-1.0+x_y" ];
  };
  interpreter = pkgs.python3;
  everything = pkgs.linkFarm "everything" (lib.imap0 (i: path: { name = toString i; inherit path; }) ([
    pkgs.python3 env pkgs.bash pkgs.coreutils pkgs.patchelf pkgs.openssl pkgs.autoPatchelfHook pkgs.makeWrapper
    pkgs.makeBinaryWrapper (wrap "wrapped" "--inherit-argv0") (pkgs.writeShellScriptBin "hello" "echo hello")
  ] ++ pkgs.pythonManylinuxPackages.manylinux2014));
  patchelf = pkgs.patchelf;
  libraries = pkgs.writeText "libraries" (lib.makeLibraryPath pkgs.pythonManylinuxPackages.manylinux2014);
  wrapped = {
    plain = wrap "plain" "";
    argv0 = wrap "argv0" "--inherit-argv0 --argv0 'some \"name'";
    inherited = wrap "inherited" "--argv0 x --inherit-argv0";
    resolved = wrap "resolved" "--inherit-argv0 --resolve-argv0";
    variables = wrap "variables" ''--set A $'q"\\\'$x\n%s\x80' --set-default B bee --set-default C cee --unset D --prefix E : pre --suffix F , suf --prefix G : alone'';
    flags = wrap "flags" ''--add-flags ' -c ' --add-flag 'printf "%s|" "$0" "$@"' --add-flags ' two  words' --append-flags 'last but' --append-flag 'not least' '';
    folder = wrap "folder" "--chdir /usr";
    twice = pkgs.runCommand "twice" { nativeBuildInputs = [ pkgs.makeBinaryWrapper ]; } ''
      mkdir $out; cp ${show}/bin/show $out/show; wrapProgram $out/show --set A 1; wrapProgram $out/show --set B 2
    '';
    unknown = wrap "unknown" "--bogus";
    missing = wrap "missing" "--set A";
    nameless = wrap "nameless" "--set 'A=B' x";
    nothing = pkgs.runCommand "nothing" { nativeBuildInputs = [ pkgs.makeBinaryWrapper ]; } "makeWrapper /nowhere $out";
  };
}
