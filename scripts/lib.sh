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

# while_saying TEXT COMMAND...: runs a command; its output is shown only if it fails. On a terminal TEXT stands there meanwhile.
while_saying() {
    local text=$1 log status=0
    shift
    log=$(mktemp)
    if is_terminal; then printf '%s' "$text" >&2; fi
    "$@" >"$log" 2>&1 || status=$?
    clear_line
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# Standard error is where a line can be written anew.
is_terminal() { [[ -t 2 && ${TERM-dumb} != dumb ]]; }
clear_line() { if is_terminal; then printf '\r\033[K' >&2; fi; }

# configure DIR [MESON OPTION...]: sets a build folder up once, and anew when the options are others.
configure() {
    local dir=$1 want have=
    shift
    want="$* CC=${CC-} CXX=${CXX-}"
    [[ -f $dir/.configured-with ]] && have=$(<"$dir/.configured-with")
    if [[ ! -f $dir/build.ninja || $want != "$have" ]]; then
        rm -rf "$dir"
        while_saying "configuring ${dir#"$repo"/} ..." meson setup "$dir" "$repo" "$@" ||
            die "meson setup failed; its log: $dir/meson-logs/meson-log.txt"
        printf '%s\n' "$want" >"$dir/.configured-with"
    fi
}

# build DIR [TARGET...]: shows how far it is, on a terminal in one line that is gone in the end. What the compiler says is
# shown if it fails. Interrupted, it goes on from there the next time.
build() {
    local dir=$1 log=$1/.build-output status=0
    shift
    if ! is_terminal; then
        quietly ninja -C "$dir" "$@"
        return
    fi
    NINJA_STATUS='[%f/%t %p] ' ninja -C "$dir" "$@" 2>&1 | tee "$log" | show_progress "building ${dir#"$repo"/}" || status=$?
    clear_line
    ((status == 0)) || grep -vE '^(\[[0-9]+/|ninja: Entering )' "$log" >&2 || true
    return "$status"
}

# Ninja's lines as one that is written anew, at least each second: steps done, of how many, seconds.
show_progress() { # WHAT
    local line='' steps='' began=$SECONDS status
    while true; do
        status=0
        IFS= read -r -t 1 line || status=$?
        if ((status > 0 && status <= 128)); then return 0; fi # end of file
        if ((status == 0)) && [[ $line =~ ^\[([0-9]+)/([0-9]+)\ +([0-9]+)%\] ]]; then
            steps="${BASH_REMATCH[3]} %, ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}, "
        fi
        printf '\r\033[K%s: %s%d s' "$1" "$steps" $((SECONDS - began)) >&2
    done
}

# Meson gives the compiler a dozen files of a layer as one ("unity"): it then takes a third of the time. A dozen, not all, so
# that a change of one file costs no more than its dozen.
unity=(--unity=on --unity-size=12)

# build_release: build/release/supervisor/fsrv, which scripts/run, scripts/test and scripts/bench have in common
build_release() {
    local dir=$repo/build/release
    lock "$dir"
    configure "$dir" --buildtype=release "${unity[@]}" -Dtests=false
    if ! is_terminal && ! ninja -C "$dir" -n supervisor/fsrv | grep 'no work to do' >/dev/null; then
        if [[ -x $dir/supervisor/fsrv ]]; then say 'building fsrv ...'; else say 'building fsrv (about a minute the first time) ...'; fi
    fi
    build "$dir" supervisor/fsrv || die 'the build failed'
    exec 9>&- # the lock ends here, not with what is started next
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
