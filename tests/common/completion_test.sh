#!/usr/bin/env bash
# completion_test.sh: what docs/fsrv.bash offers, word by word, as bash would ask it.
set -euo pipefail
# shellcheck source=docs/fsrv.bash
source "$(dirname "${BASH_SOURCE[0]}")/../../docs/fsrv.bash"

compopt() { :; } # works only while a completion is under way
failed=0

# offers EXPECTED WORD...: the last of the words is the one being typed.
offers() {
    local expected=$1
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _fsrv
    [[ ${COMPREPLY[*]-} == "$expected" ]] && return
    echo "$*: expected '$expected', not '${COMPREPLY[*]-}'"
    failed=1
}

cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
mkdir 'a folder'
touch 'a file'

offers '--header-timeout --help --help-all' fsrv --he
offers 'a folder' fsrv ''
offers 'a folder' fsrv --root a
offers 'on off' fsrv --listing ''
offers 'off' fsrv --listing of
offers 'error warn info debug' fsrv --log-level ''
offers 'error warn info debug' fsrv --log-level =
offers 'debug' fsrv --log-level = d
offers 'auto' fsrv --workers ''
offers '' fsrv --port ''
offers 'root' fsrv --user roo
offers 'a file' fsrv --config 'a fi'
offers 'off' fsrv --access-log of
exit "$failed"
