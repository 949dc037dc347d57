# shellcheck shell=bash
# What the scripts share: where the checkout is, how they speak, and the environment that every check runs in.
# Sourced after `set -euo pipefail`.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=$root/.cache
venv=$root/.venv
export PATH="$venv/bin:$PATH"
# Ansible ignores the ansible.cfg of a world-writable directory unless it is named.
export ANSIBLE_CONFIG=$root/ansible.cfg
mkdir -p "$cache"
cd "$root" || exit

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }

# die MESSAGE: the message says what is wrong and how to mend it.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# seconds_since START: whole seconds since START, a value of $EPOCHSECONDS.
seconds_since() { printf '%d s' "$((EPOCHSECONDS - $1))"; }

# as_root COMMAND...: as it is for root, through sudo where it asks for no password.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        die "this needs root: run it as root once, or run yourself: $*"
    fi
}

# apt_install PACKAGE...: with fresh lists, without questions and without recommended packages.
apt_install() {
    say "installing with apt: $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# one_at_a_time: wait until no other run of this script works in the same checkout (a make in each of two terminals).
one_at_a_time() {
    command -v flock >/dev/null || return 0
    exec 9>"$cache/$(basename "$0").lock"
    flock --nonblock 9 && return
    say "waiting for the other run of scripts/$(basename "$0")"
    flock 9
}

# hash_of FILE...: one SHA-256 over the files' contents and names.
hash_of() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

# python_candidates X.Y: where a Python of that version may be, one path a line: on PATH, from pyenv, from uv. A path
# need not exist, and what is there need not work: a pyenv shim stands for versions that it then refuses to run.
python_candidates() {
    local home
    type -aP "python$1" || true
    for home in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1" \
        "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}/cpython-$1" \
        "$cache/python/cpython-$1"; do
        printf '%s\n' "$home".*/bin/python3 | sort -rV
    done
}

# make_venv PYTHON DIRECTORY REQUIREMENTS: a virtual environment that holds exactly the locked packages.
# Built in place, since a virtual environment can't be moved; the caller writes its stamp last, so that an interrupted
# one never counts as done.
make_venv() {
    local python=$1 directory=$2 requirements=$3
    rm -rf "$directory"
    "$python" -m venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
        -r requirements/uv.txt
    if ! uv_like_pip "$directory" pip install --quiet --python "$directory/bin/python" --require-hashes \
        --only-binary :all: -r "$requirements"; then
        say "uv could not install $requirements; pip does it instead"
        "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
            --only-binary :all: -r "$requirements"
    fi
}

# pip_settings VENV: how pip reaches an index on this machine, NAME=VALUE a line, from its environment variables and its
# files. Values may hold credentials: pass them on, never print them.
pip_settings() {
    # What the environment says is listed first, and wins.
    "$1/bin/python" -m pip config list | sed -nE "s/^(:env:|global)\.([a-z-]+)='(.*)'\$/\2=\3/p" | sed 's/\\n/ /g' |
        grep -E '^(cert|extra-index-url|find-links|index-url|proxy|trusted-host)=' | awk -F= '!seen[$1]++'
}

# uv_like_pip VENV ARGUMENT...: the uv of that environment, told what pip is told, for uv does not read pip's settings.
uv_like_pip() {
    local directory=$1 name value
    shift
    (
        while IFS='=' read -r name value; do
            case $name in
            cert) export SSL_CERT_FILE=${SSL_CERT_FILE:-$value} ;;
            index-url) export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$value} ;;
            proxy) export HTTPS_PROXY=${HTTPS_PROXY:-$value} ;;
            esac
        done < <(pip_settings "$directory" || true)
        exec "$directory/bin/uv" --no-progress "$@"
    )
}
