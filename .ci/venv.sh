# Makes and updates .venv in the checkout; sourced by ./mach, ./test and .ci/run after they set $root.

say() { printf 'mach: %s\n' "$*" >&2; }

# Prints a Python that mach runs on (3.11 or newer). A name may exist and not work (pyenv's shims), so each is run.
find_python() {
  for candidate in python3.13 python3.12 python3.11 python3.14 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      command -v "$candidate"
      return
    fi
  done
  say 'no Python 3.11 or newer was found (looked for python3.13, 3.12, 3.11, 3.14, python3, python)'
  say 'install one, for example: apt-get install python3 python3-venv; or: dnf install python3; or: brew install python'
  return 3
}

# Leaves a .venv that works. One that mach made is made anew where it does not run any more or the checkout was
# moved; one that somebody else made is used where it works, and never deleted.
provide_venv() {
  if [ -e "$venv" ] || [ -L "$venv" ]; then
    if ! is_ours; then
      runs && return
      say "$venv was not made by mach, and has no Python 3.11 or newer with pip; move it elsewhere"
      return 3
    fi
    made_here && runs && return
    say "$venv does not work (its set-up was interrupted, or its Python or folder moved); making it anew"
    rm -rf "$venv" || return
  fi
  create_venv
}

is_ours() { [ -f "$venv/mach-root" ]; }
made_here() { is_ours && IFS= read -r made_for <"$venv/mach-root" && [ "$made_for" = "$root" ]; }
runs() {
  "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)' \
    >/dev/null 2>&1
}

# Creates .venv with pip in it: by venv, else (Debian without python3-venv) by virtualenv.
create_venv() {
  python=$(find_python) || return
  say "making $venv with $("$python" -V 2>&1) ($python)"
  claim && "$python" -m venv "$venv" >"$log" 2>&1 && return
  claim && "$python" -m virtualenv --quiet "$venv" >>"$log" 2>&1 && return
  claim && virtualenv --quiet --python "$python" "$venv" >>"$log" 2>&1 && return
  rm -rf "$venv"
  sed 's/^/  /' "$log" >&2
  say "neither the venv module of $python nor virtualenv could make an environment"
  say 'install one: apt-get install python3-venv, or python3 -m pip install --user virtualenv'
  return 3
}

# Starts .venv with the mark that it is mach's, so that a killed set-up is recognised and made anew.
# Only ever called where there was none, or after an attempt of create_venv itself.
claim() { rm -rf "$venv" && mkdir "$venv" && printf '%s\n' "$root" >"$venv/mach-root"; }

# prepare [GROUP...]: leaves a .venv with mach and these dependency groups of pyproject.toml in it.
# It does nothing where pyproject.toml is what it was when they were installed.
prepare() {
  venv=$root/.venv
  is_current "$@" && return
  (
    # The lock is on pyproject.toml itself and ends with this subshell: a second ./mach waits here for the first.
    exec 9<"$root/pyproject.toml"
    python=$(find_python) || exit
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' || exit
    is_current "$@" && exit
    log=$(mktemp "${TMPDIR:-/tmp}/mach-setup.XXXXXX") || exit
    trap 'rm -f "$log"' EXIT
    trap 'exit 130' INT TERM
    provide_venv || exit
    install_into_venv "$@"
  )
}

is_current() {
  for group in mach "$@"; do
    cmp -s "$root/pyproject.toml" "$venv/mach-installed-$group" || return
  done
  [ -x "$venv/bin/python" ] && { made_here || ! is_ours; }
}

install_into_venv() {
  cd "$root" || return
  what=$("$venv/bin/python" -c '
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))
lists = [project["project"]["dependencies"], *(project["dependency-groups"][group] for group in sys.argv[2:])]
print(", ".join(requirement for requirements in lists for requirement in requirements))
' "$root/pyproject.toml" "$@") || return
  say "installing into $venv: mach itself and $what"
  rm -f "$venv"/mach-installed-* || return
  # "compat" puts the checkout on the path; the default's import hook would slow down every start
  run_pip --editable . --config-settings editable_mode=compat || return
  if [ $# -gt 0 ]; then
    # --group came with pip 25.1; Debian 12 has 23.0
    run_pip 'pip>=25.1' || return
    for group in "$@"; do set -- "$@" --group "$group" && shift; done
    run_pip "$@" || return
    # leaves the names of the groups alone again
    for argument in "$@"; do
      shift
      [ "$argument" = --group ] || set -- "$@" "$argument"
    done
  fi
  for group in mach "$@"; do cp "$root/pyproject.toml" "$venv/mach-installed-$group" || return; done
}

run_pip() {
  if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >"$log" 2>&1; then
    sed 's/^/  /' "$log" >&2
    say "pip could not install this; it uses its own configuration (pip config list), also for mirrors and proxies"
    return 3
  fi
}
