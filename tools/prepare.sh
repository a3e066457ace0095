# Sourced by ./quickstart and ./check, at the root of the repository: makes sure of Go and of a C
# compiler, which the SQLite driver needs. Installs the compiler only as root on a Debian system.

export CGO_ENABLED=1

say() { printf '%s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

need_go() {
  command -v go >/dev/null || die "Go is not installed; see https://go.dev/doc/install"
  local have want
  want=$(sed -n 's/^go \([0-9.]*\)$/\1/p' go.mod)
  have=$(go env GOVERSION) || die "Go $want or later is needed"
  have=${have#go}
  if [ "$(printf '%s\n%s\n' "$want" "${have%%[!0-9.]*}" | sort -V | head -n 1)" != "$want" ]; then
    die "Go $want or later is needed, found $have; see https://go.dev/doc/install"
  fi
}

# compiles tells whether the C compiler works together with the headers of the C library.
compiles() {
  local compiler
  compiler=$(go env CC)
  # CC may hold options as well.
  # shellcheck disable=SC2086
  printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' |
    $compiler -x c -fsyntax-only - >/dev/null 2>&1
}

need_c() {
  if compiles; then return; fi
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "Installing a C compiler (gcc, libc6-dev) ..."
    apt-get update -qq || die "apt-get update did not work; install gcc and libc6-dev"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc libc6-dev >/dev/null ||
      die "apt-get could not install gcc and libc6-dev"
    compiles || die "the C compiler still does not work: $(go env CC)"
    return
  fi
  die "a C compiler is needed for SQLite; on Debian or Ubuntu: sudo apt-get install gcc libc6-dev"
}

need_go
need_c
