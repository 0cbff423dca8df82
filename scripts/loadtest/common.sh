# shellcheck shell=bash
# What wrk.sh and h2load.sh share: options, and a server of their own unless one is named. Sourced, never run.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

host=127.0.0.1 port='' users=10 seconds=30 size_mb=1000
server='' folder=''

# "name value" or "--name value" pairs; what is no option of all is given to the function own_option.
parse_options() {
    while (($#)); do
        case $1 in
        --help | -h) print_help && exit 0 ;;
        --host) host=$2 ;;
        --port) port=$2 ;;
        --users) users=$2 ;;
        --seconds) seconds=$2 ;;
        --size-mb) size_mb=$2 ;;
        *) own_option "$1" "${2-}" || die "unknown option $1; --help shows them" ;;
        esac
        shift $(($# > 1 ? 2 : 1))
    done
}

clean_up() {
    [[ -z $server ]] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    [[ -z $folder ]] || rm -rf "$folder"
}

# Without --port: fsrv from build/release over a folder with test_files/<N>MB-file.tar. Sets $url.
need_server() {
    if [[ -z $port ]]; then
        trap clean_up EXIT
        folder=$(mktemp -d "${TMPDIR:-/var/tmp}/fsrv-loadtest-XXXXXX")
        mkdir "$folder/test_files"
        local file=$folder/test_files/${size_mb}MB-file.tar
        head -c "$((size_mb * 1000 * 1000))" /dev/urandom >"$file"
        touch -d '1 hour ago' "$file"
        need_packages build
        lock "$repo/build/release"
        configure "$repo/build/release" --buildtype=release -Dtests=false
        build "$repo/build/release" || die "the build failed"
        exec 9>&-
        "$repo/build/release/supervisor/fsrv" --host "$host" --port 0 --access-log off "$folder" 2>"$folder/said" &
        server=$!
        until port=$(grep -oE "http://[^ /]+:[0-9]+" "$folder/said" | head -n 1 | grep -oE '[0-9]+$'); do
            kill -0 "$server" 2>/dev/null || die "fsrv does not start: $(<"$folder/said")"
            sleep 0.05
        done
    fi
    url="http://$host:$port/files?path=test_files%2F${size_mb}MB-file.tar"
    say "$url, $users connections, $seconds s"
}
