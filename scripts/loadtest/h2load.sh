#!/usr/bin/env bash
# scripts/loadtest/h2load.sh [OPTION VALUE...]: HTTP/1.1 requests at a constant rate, by h2load: an honest p99.
#
#   scripts/loadtest/h2load.sh --size-mb 1 --rate 200
#   scripts/loadtest/h2load.sh --port 8080 --users 50 --rate 5
#
#   --host (127.0.0.1), --port, --users (10), --seconds (30), --size-mb (1000), --rate (requests a second in all, 10)
#
# The rate stays what it is when the server is slow, unless all connections wait: then fewer requests than rate times
# seconds are done, and the last line says so. More --users put that off.
set -euo pipefail
# shellcheck source=scripts/loadtest/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rate=10
own_option() { [[ $1 == --rate ]] && rate=$2; }
parse_options "$@"
need_packages bench
need_server
log=$(mktemp)
trap 'rm -f "$log"; clean_up' EXIT
h2load --h1 --threads 1 --clients "$users" --duration "$seconds" --rps "$(awk "BEGIN { print $rate / $users }")" \
    --log-file "$log" "$url" | grep -E '^(finished|requests|status|traffic|time for)'
sort -t $'\t' -k 3n "$log" | awk -F '\t' -v wanted="$((rate * seconds))" '
    { times[NR] = $3 }
    END {
        if (!NR) { print "no answer"; exit 1 }
        printf "p50 %d us, p90 %d us, p99 %d us, most %d us; %d of %d requests\n", times[int(NR * 0.5) + 1],
            times[int(NR * 0.9) + 1], times[int(NR * 0.99) + (NR * 0.99 < NR)], times[NR], NR, wanted
    }'
