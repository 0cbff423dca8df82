#!/usr/bin/env bash
# scripts/loadtest/wrk.sh [OPTION VALUE...]: as many downloads as the connections can take, by wrk.
#
#   scripts/loadtest/wrk.sh                              a server and a file of its own
#   scripts/loadtest/wrk.sh --port 8080 --users 50       a server that runs
#
#   --host (127.0.0.1), --port, --users (10), --seconds (30), --size-mb (1000), --threads (2)
#
# Each connection asks again when it has its answer: a slow server is asked less, so the latencies that wrk prints flatter
# it. For honest ones: h2load.sh.
set -euo pipefail
# shellcheck source=scripts/loadtest/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

threads=2
own_option() { [[ $1 == --threads ]] && threads=$2; }
parse_options "$@"
need_packages bench
need_server
wrk --threads "$((threads < users ? threads : users))" --connections "$users" --duration "${seconds}s" --timeout 60s --latency "$url"
