# What an overlay for nixpkgs does, on crafted distributions: `files` is a folder with them and dists.json
# ("NAME VERSION" -> { file, sha256 }), `conda` one with the conda packages of craft_conda.py.
{ pkgs, files, conda }:
let
  all = builtins.fromJSON (builtins.readFile (files + "/dists.json"));
  src = name: version: let d = all."${name} ${version}"; in
    pkgs.fetchurl { url = "file://${toString files}/${d.file}"; inherit (d) sha256; };
  wheel = ps: pname: version: more: ps.buildPythonPackage ({ inherit pname version; format = "wheel"; src = src pname version; } // more);
  overlay = self: super: {
    alpha = wheel self "alpha" "1.0" { dependencies = [ self.beta ]; pythonImportsCheck = [ "alpha" ]; };
    beta = wheel self "beta" "2.1" { };
    gamma = wheel self "gamma" "1.0" { };
    delta = self.buildPythonPackage { pname = "delta"; version = "0.1"; pyproject = true; build-system = [ ]; src = src "delta" "0.1"; dependencies = [ self.beta ]; };
    epsilon = wheel self "epsilon" "1.0" { nativeBuildInputs = [ pkgs.autoPatchelfHook ]; buildInputs = [ pkgs.stdenv.cc.cc.lib ]; pythonImportsCheck = [ "epsilon" ]; };
  };
  python = pkgs.python3.override { packageOverrides = overlay; self = python; };
  ps = python.pkgs;
  libgreet = pkgs.condaPackage { pname = "libgreet"; version = "1.0"; src = conda + "/libgreet-1.0-h0_0.conda"; };
in
rec {
  env = python.withPackages (ps: with ps; [ alpha delta gamma epsilon ]);
  app = ps.toPythonApplication ps.alpha;
  greet = pkgs.condaPackage { pname = "greet"; version = "1.0"; src = conda + "/greet-1.0-h0_0.conda"; depends = [ libgreet ]; };
  pygreet = pkgs.condaPackage { pname = "pygreet"; version = "1.0"; noarch = "python"; src = conda + "/pygreet-1.0-py_0.tar.bz2"; };
  mixed = python.withPackages (ps: [ ps.alpha greet pygreet ]);
  image = pkgs.dockerTools.streamLayeredImage { name = "alpha"; contents = [ env ]; config = { Cmd = [ "/bin/alpha" ]; Env = [ "PATH=/bin" "HOME=/tmp" ]; }; };
  shell = pkgs.mkShell { packages = [ env ]; };
  # these must fail
  fails = {
    requirement = ps.alpha.overridePythonAttrs { dependencies = [ ]; };
    version = (python.override { packageOverrides = s: p: overlay s p // { beta = wheel s "beta" "1.0" { }; }; }).pkgs.alpha;
    import = ps.beta.overridePythonAttrs { pythonImportsCheck = [ "nope" ]; };
    library = ps.epsilon.overridePythonAttrs { buildInputs = [ ]; };
    twice = ps.delta.overridePythonAttrs (old: { dependencies = old.dependencies ++ [ (ps.beta.overridePythonAttrs { version = "2.0"; src = src "beta" "2.0"; }) ]; });
    format = ps.buildPythonPackage { pname = "beta"; version = "2.1"; src = src "beta" "2.1"; };
  };
}
