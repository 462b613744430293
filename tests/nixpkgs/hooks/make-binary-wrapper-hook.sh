# makeBinaryWrapper / wrapProgramBinary: a compiled program in front of a program, which also works in a shebang
makeBinaryWrapper() {
  local original=$1 wrapper=$2 program; shift 2
  [[ -f "$original" && -x "$original" ]] || { echo "Cannot wrap '$original' because it is not an executable file" >&2; return 1; }
  mkdir -p "$(dirname "$wrapper")"
  program=$(@hostPython@ -I @generator@ "$original" "$@") || return 1
  printf '%s\n' "$program" |
    gcc -Wall -Wextra -Werror -Wno-overlength-strings -Os -x c -o "$wrapper" - \
      -Wl,--dynamic-linker=@glibc@/lib/@loader@ -Wl,-rpath,@glibc@/lib
}
wrapProgramBinary() {
  local prog=$1 hidden; shift; hidden=$(dirname "$prog")/.$(basename "$prog")-wrapped
  while [[ -e "$hidden" ]]; do hidden+=_; done
  mv "$prog" "$hidden"; makeBinaryWrapper "$hidden" "$prog" --inherit-argv0 "$@"
}
makeWrapper() { makeBinaryWrapper "$@"; }
wrapProgram() { wrapProgramBinary "$@"; }
