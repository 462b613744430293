# What every test environment rests on: copies from the host and hooks.  tests/support/nix.py keeps these between runs.
{ pkgs ? import ./. { } }:
[
  pkgs.stdenv.setup
  pkgs.python3
  pkgs.python3.buildHook
  pkgs.patchelf
  pkgs.pkg-config
  pkgs.bash
  pkgs.coreutils
  pkgs.openssl
  pkgs.autoPatchelfHook
  pkgs.makeWrapper
  pkgs.makeBinaryWrapper
] ++ pkgs.pythonManylinuxPackages.manylinux2014
