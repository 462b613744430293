# System libraries and programs by their names in nixpkgs (23.11 to today), for the fixes table.
# Empty outputs say only that a name is known and reaches a build; portaudio is compiled, with header and pkg-config file.
{ lib, pkgs }:
let
  marker = name: pkgs.runCommand name { meta.description = "a name of nixpkgs, without files"; } "mkdir -p $out/bin $out/lib";
  names = [
    "alsa-lib" "brotli" "cairo" "cargo" "cups" "curl" "cyrus_sasl" "dbus" "ffmpeg" "fontconfig" "freetds" "freetype" "fuse3" "gdal" "geos"
    "gfortran" "glib" "gmp" "gobject-introspection" "graphviz" "hdf5" "icu" "krb5" "lcms2" "leveldb" "libffi" "libgit2"
    "libjpeg" "libmemcached" "libmpc" "libmysqlclient" "libpulseaudio" "libsodium" "libtiff" "libtool" "libvirt" "libwebp" "libxml2"
    "libxcb" "libxcb-image" "libxcb-keysyms" "libxcb-render-util" "libxcb-wm" "libxkbcommon"
    "libxslt" "libyaml" "lzo" "mpfr" "openblas" "openjpeg" "openldap" "pcsclite" "postgresql" "rustc" "snappy" "sqlite" "systemd"
    "unixODBC" "xcb-util-cursor" "xmlsec" "zeromq"
  ];
in
lib.genAttrs names marker // {
  # PostgreSQL's client library with what it loads, and the program that tells where it is (Debian: libpq-dev);
  # empty where the host has none.
  libpq = pkgs.runCommand "libpq" { } ''
    mkdir -p $out/bin $out/lib
    library=/usr/lib/x86_64-linux-gnu/libpq.so.5
    [[ -e $library ]] || exit 0
    for l in $library $(ldd $library | awk '$3 ~ "^/" {print $3}'); do
      t=$out/lib/$(basename $l)
      [[ -e ${pkgs.glibc}/lib/$(basename $l) ]] || { cp -L $l $t; chmod u+w $t; patchelf --set-rpath "$out/lib:${pkgs.glibc}/lib" $t; }
    done
  '' // {
    pg_config = pkgs.runCommand "pg_config" { } ''
      mkdir -p $out/bin
      [[ ! -x /usr/bin/pg_config ]] || ln -s /usr/bin/pg_config $out/bin/pg_config
    '';
  };
  proj = marker "proj" // { dev = marker "proj-dev"; };

  portaudio = pkgs.runCommand "portaudio-19.7" { version = "19.7"; } ''
    mkdir -p $out/include $out/lib/pkgconfig
    echo 'const char *Pa_GetVersionText(void);' >$out/include/portaudio.h
    echo 'const char *Pa_GetVersionText(void) { return "PortAudio of the stand-in"; }' >portaudio.c
    gcc -shared -fPIC -s -Wl,--build-id=none -Wl,-soname,libportaudio.so.2 -o $out/lib/libportaudio.so.2 portaudio.c
    ln -s libportaudio.so.2 $out/lib/libportaudio.so
    printf '%s\n' "Name: PortAudio" "Description: tiny" "Version: 19" \
      "Libs: -L$out/lib -lportaudio" "Cflags: -I$out/include" >$out/lib/pkgconfig/portaudio-2.0.pc
  '';

  # the host's program, which sees the inputs' libraries and, as nixpkgs' wrapper, none of the host's
  pkg-config = pkgs.makeSetupHook { name = "pkg-config-from-host"; } ./hooks/pkg-config-hook.sh;
}
