"""make-binary-wrapper.py EXECUTABLE OPTION…: writes a wrapper in C to stdout; options as in nixpkgs.

The command stays readable in the compiled file, as nixpkgs' does.
"""

import shlex
import sys

ARGUMENTS = {
    "--argv0": 1,
    "--inherit-argv0": 0,
    "--resolve-argv0": 0,
    "--set": 2,
    "--set-default": 2,
    "--unset": 1,
    "--chdir": 1,
    "--add-flag": 1,
    "--append-flag": 1,
    "--add-flags": 1,
    "--append-flags": 1,
    "--prefix": 3,
    "--suffix": 3,
}

PRELUDE = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int ok, const char *what) { if (!ok) { perror(what); abort(); } }

/* VAR=a SEP b, where one of the two is what the variable holds already */
static void join(const char *var, const char *sep, const char *val, int before) {
  const char *old = getenv(var);
  char *new;
  if (old == NULL) { must(setenv(var, val, 1) == 0, "setenv"); return; }
  must(asprintf(&new, "%s%s%s", before ? val : old, sep, before ? old : val) >= 0, "asprintf");
  must(setenv(var, new, 1) == 0, "setenv");
  free(new);
}

/* argv[0] without a slash as the file that PATH finds */
static char *resolve(char *argv0) {
  const char *path = getenv("PATH");
  if (strchr(argv0, '/') != NULL || path == NULL) return argv0;
  char *folders = strdup(path), *rest = folders, *folder, *file;
  must(folders != NULL, "strdup");
  while ((folder = strsep(&rest, ":")) != NULL) {
    must(asprintf(&file, "%s/%s", folder, argv0) >= 0, "asprintf");
    if (access(file, X_OK) == 0) return file;
    free(file);
  }
  return argv0;
}
"""


def literal(text):
    """A C string literal: every byte that is not plainly harmless as three octal digits."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /._-+=:,@#"
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode("utf-8", "surrogateescape")) + '"'


def variable(name):
    if not name or "=" in name:
        sys.exit(f"makeBinaryWrapper: not a name for an environment variable: {name!r}")
    return literal(name)


executable, options = sys.argv[1], sys.argv[2:]
body, before, after, argv0, inherit, resolve = [], [], [], None, False, False
command = ["makeCWrapper " + shlex.quote(executable)]
while options:
    option = options.pop(0)
    if option not in ARGUMENTS:
        sys.exit(f"makeBinaryWrapper: unknown argument {option}")
    count = ARGUMENTS[option]
    given, options = options[:count], options[count:]
    if len(given) < count:
        sys.exit(f"makeBinaryWrapper: {option} takes {count} arguments")
    command.append(" ".join([option, *map(shlex.quote, given)]))
    match option:
        case "--set":
            body.append(f'must(setenv({variable(given[0])}, {literal(given[1])}, 1) == 0, "setenv");')
        case "--set-default":
            body.append(f'must(setenv({variable(given[0])}, {literal(given[1])}, 0) == 0, "setenv");')
        case "--unset":
            body.append(f'must(unsetenv({variable(given[0])}) == 0, "unsetenv");')
        case "--prefix" | "--suffix":
            body.append(
                f"join({variable(given[0])}, {literal(given[1])}, {literal(given[2])}, {int(option == '--prefix')});"
            )
        case "--chdir":
            body.append(f'must(chdir({literal(given[0])}) == 0, "chdir");')
        case "--add-flag":
            before.append(given[0])
        case "--add-flags":
            before += given[0].split()
        case "--append-flag":
            after.append(given[0])
        case "--append-flags":
            after += given[0].split()
        case "--argv0":  # the last of --argv0 and --inherit-argv0 wins
            argv0, inherit = given[0], False
        case "--inherit-argv0":
            inherit = True
        case "--resolve-argv0":
            resolve = True

if resolve:
    body.append("argv[0] = resolve(argv[0]);")
if not inherit:
    body.append(f"argv[0] = (char *){literal(argv0 or executable)};")
if before or after:
    body.append(f"char **all = calloc(argc + {len(before) + len(after) + 1}, sizeof *all);")
    body.append('must(all != NULL, "calloc");')
    body.append("int n = 0;")
    body.append("all[n++] = argv[0];")
    body += [f"all[n++] = (char *){literal(flag)};" for flag in before]
    body.append("for (int i = 1; i < argc; ++i) all[n++] = argv[i];")
    body += [f"all[n++] = (char *){literal(flag)};" for flag in after]
    body.append("argv = all;")
body.append(f"execv({literal(executable)}, argv);")
body.append(f"perror({literal(executable)});")
body.append("return 127;")

print(PRELUDE)
print(f"const char *const made_by = {literal(' '.join(command))};")
print("int main(int argc, char **argv) {")
print("  (void)argc; (void)join; (void)resolve;")
print("".join(f"  {line}\n" for line in body) + "}")
