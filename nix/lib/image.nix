# A container image of an environment: layered, the same bytes on every build, with certificates, a shell, and a user
# that is not root.
# stream: the result is a program that writes the image, in place of the image itself.
# command: what the image runs, words in a list; programs: derivations whose programs are in its PATH.
# Everything of nixpkgs' dockerTools.buildLayeredImage can be changed by .override.
{ pkgs }:
{ env, name, tag, command, programs, stream }:
let
  inherit (pkgs) lib;
  user = "1000";
  home = "/home/python";
  accounts = pkgs.symlinkJoin {
    name = "accounts";
    paths = [
      (pkgs.writeTextDir "etc/passwd" "root:x:0:0:root:/root:/bin/sh\npython:x:${user}:${user}:python:${home}:/bin/sh\n")
      (pkgs.writeTextDir "etc/group" "root:x:0:\npython:x:${user}:\n")
      (pkgs.writeTextDir "etc/nsswitch.conf" "hosts: files dns\n")
    ];
  };
  certificates = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
  build = arguments:
    (if stream then pkgs.dockerTools.streamLayeredImage else pkgs.dockerTools.buildLayeredImage) arguments;
in
if !pkgs.stdenv.hostPlatform.isLinux then
  throw "mach: an image holds programs of Linux, and these are for ${pkgs.stdenv.hostPlatform.system}: pass a nixpkgs of a Linux system as pkgs"
else
  lib.makeOverridable build {
    inherit name tag;
    contents = [ env pkgs.bash pkgs.coreutils accounts ] ++ programs;
    # the user may write where programs expect it
    extraCommands = "mkdir -m 1777 tmp\nmkdir -p -m 755 home\nmkdir -m 1777 .${home}\n";
    config = {
      User = "${user}:${user}";
      WorkingDir = home;
      Cmd = command;
      Env = [
        "PATH=/bin"
        "HOME=${home}"
        "LANG=C.UTF-8"
        "SSL_CERT_FILE=${certificates}"
        "NIX_SSL_CERT_FILE=${certificates}"
      ];
    };
  }
