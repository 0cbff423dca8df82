# shellcheck shell=bash
# What the scripts share. Sourced, never run.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() {
    say "${0##*/}: $*"
    exit 1
}

# The comment block at the top of the calling script is its help.
print_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# Names in one section of scripts/packages.
packages_of() {
    awk -v section="$1" '/^# / { inside = ($2 == section && NF == 2); next } inside && NF { print $1 }' \
        "$repo/scripts/packages"
}

# Installs what is missing of the sections named. Costs one dpkg-query when nothing is.
need_packages() {
    local section name missing=() wanted=()
    for section in "$@"; do
        while read -r name; do wanted+=("$name"); done < <(packages_of "$section")
    done
    if ! command -v dpkg-query apt-get >/dev/null; then
        die "this is no Debian-like system; install by hand what these packages hold: ${wanted[*]}"
    fi

    local installed
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
        sed -n 's/^installed //p' || true)
    for name in "${wanted[@]}"; do
        grep -qxF "$name" <<<"$installed" || missing+=("$name")
    done
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "not root and no sudo; as root: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing: ${missing[*]}"
    quietly "${as_root[@]}" apt-get update -q ||
        die "apt-get update failed; these packages are needed: ${missing[*]}"
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null ||
        die "apt-get install failed; these packages are needed: ${missing[*]}"
}

# Runs a command on stderr; when that is no terminal, shows its output only if it fails.
quietly() {
    if [[ -t 2 ]]; then
        "$@" >&2
        return
    fi
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# configure DIR [MESON OPTION...]: sets a build folder up once, and anew when the options are others.
configure() {
    local dir=$1 want have=
    shift
    want="$* CC=${CC-} CXX=${CXX-}"
    [[ -f $dir/.configured-with ]] && have=$(<"$dir/.configured-with")
    if [[ ! -f $dir/build.ninja || $want != "$have" ]]; then
        rm -rf "$dir"
        quietly meson setup "$dir" "$repo" "$@" || die "meson setup failed; its log: $dir/meson-logs/meson-log.txt"
        printf '%s\n' "$want" >"$dir/.configured-with"
    fi
}

# build DIR [TARGET...]
build() {
    local dir=$1
    shift
    quietly ninja -C "$dir" "$@"
}

# One script at a time per build folder: lock DIR
lock() {
    mkdir -p "$repo/build"
    exec 9>"$repo/build/.lock-${1##*/}"
    flock -n 9 || {
        say "waiting for another run in ${1#"$repo"/}"
        flock 9
    }
}

# sources EXTENSION...: files of the project with one of these endings, as absolute names
sources() {
    local extension
    for extension in "$@"; do
        find "$repo"/{common,supervisor,worker,tests} -name "*.$extension" -type f
    done | sort
}
