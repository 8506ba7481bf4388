#!/usr/bin/env bash
# Make a machine ready to be a node: uv, the pinned Python, Ray and this project in
# ~/quantgrid/.venv. Debian, Ubuntu, macOS; no root. The second run takes a second or two.
#
#     bash ~/quantgrid/scripts/node-setup.sh PYTHON [head]
#
# PYTHON is a version such as 3.11. `head` also makes the cluster's token, and notes the token and
# the exact Python in scripts/.head, which `ray up` copies to the workers: Ray takes none of another
# patch version. uv's own variables hold: with UV_OFFLINE or UV_PYTHON_DOWNLOADS=never the Python is
# one that is installed already.
set -euo pipefail

python="$1"
role="${2:-worker}"
here="$(cd "$(dirname "$0")/.." && pwd)"
noted="$here/scripts/.head"
export PATH="$HOME/.local/bin:$HOME/.cargo/bin:/opt/homebrew/bin:/usr/local/bin:$PATH"
cd "$here"

say() { printf 'node-setup on %s: %s\n' "$(hostname)" "$*" >&2; }
stop() { say "$*"; exit 1; }

find_uv() {
    command -v uv >/dev/null && return
    local version
    version="$(sed -n 's/^ *"uv==\([^"]*\)".*/\1/p' pyproject.toml)"
    command -v curl >/dev/null || stop "curl is missing; install it (apt-get install curl) or uv"
    say "installing uv $version"
    curl -LsSf "https://astral.sh/uv/$version/install.sh" | UV_NO_MODIFY_PATH=1 sh >&2
    command -v uv >/dev/null || stop "uv is not in ~/.local/bin after its installer ran"
}

find_compiler() {
    case "$(uname -s)" in
    # there /usr/bin/c++ is always present, and without the tools only asks for them in a window
    Darwin)
        xcode-select -p >/dev/null 2>&1 && return
        stop "no C++ compiler for llama.cpp; run: xcode-select --install"
        ;;
    *)
        command -v c++ >/dev/null && return
        stop "no C++ compiler for llama.cpp; run: sudo apt-get install g++"
        ;;
    esac
}

# The exact version that the head has, where it fits what is asked for.
exact_python() {
    local exact=""
    [ -f "$noted/python" ] && exact="$(cat "$noted/python")"
    case "$exact" in
    "$python" | "$python".*) printf '%s' "$exact" ;;
    *) printf '%s' "$python" ;;
    esac
}

install_project() {
    # Downloaded builds come in every patch version, a system's own in one.
    [ -n "${UV_OFFLINE:-}" ] || [ "${UV_PYTHON_DOWNLOADS:-}" = never ] ||
        export UV_PYTHON_PREFERENCE="${UV_PYTHON_PREFERENCE:-only-managed}"
    export UV_PYTHON="${UV_PYTHON:-$(exact_python)}"
    uv sync --quiet --no-dev --inexact
    if [ ! -x .venv/bin/ray ] || [ ! -x .venv/bin/grid ]; then stop "uv sync left no ray and grid"; fi
}

# So that `ray down`, `ray exec` and whoever logs in find them; what is there already stays.
link_commands() {
    mkdir -p "$HOME/.local/bin"
    local name
    for name in ray grid; do
        [ -e "$HOME/.local/bin/$name" ] || ln -sfn "$here/.venv/bin/$name" "$HOME/.local/bin/$name"
    done
}

# Only ever readable by its owner, also while it is written.
copy_token() { (umask 077 && cat "$1" >"$2.new" && chmod 600 "$2.new" && mv "$2.new" "$2"); }

token="$HOME/.ray/auth_token"

note_for_workers() {
    mkdir -p "$noted"
    .venv/bin/python -c 'import platform; print(platform.python_version())' >"$noted/python"
    [ -s "$token" ] || (umask 077 && .venv/bin/ray get-auth-token --generate >/dev/null)
    chmod 600 "$token"
    copy_token "$token" "$noted/auth_token"
}

take_token() {
    [ -s "$noted/auth_token" ] || stop "the head's token did not arrive; set up the head first"
    cmp -s "$noted/auth_token" "$token" || copy_token "$noted/auth_token" "$token"
    chmod 600 "$token" "$noted/auth_token"
}

find_uv
find_compiler
install_project
link_commands
mkdir -p "$HOME/.ray"
chmod 700 "$HOME/.ray"
if [ "$role" = head ]; then note_for_workers; else take_token; fi
say "ready: Python $(.venv/bin/python -c 'import platform; print(platform.python_version())')"
