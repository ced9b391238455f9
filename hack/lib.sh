# shellcheck shell=bash
# What every script under hack/ shares: where things are kept, how progress is shown. Sourced, never run.

HACK="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(dirname "$HACK")"
CACHE="${MASTHEAD_CACHE:-$HOME/.cache/masthead}"
K8S_VERSION=1.20.2
K8S_DIR="$CACHE/kubernetes-$K8S_VERSION"
export HACK ROOT CACHE K8S_VERSION K8S_DIR

# Tools put into the cache come first, so that all scripts use the versions they were tested with.
export PATH="$CACHE/bin:$PATH:/usr/sbin:/sbin"

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

now_ms() { date +%s%3N; }

# seconds_since START_MS: with one decimal, as shown beside each step.
seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# step TEXT COMMAND...: runs the command and says how long it took. Its output is shown only when it fails.
# The command sees `set -e` as usual, so `step` itself must not be part of a condition.
step() {
    local text="$1" start log rc=0
    shift
    start=$(now_ms)
    log=$(mktemp)
    printf '%-58s' "$text"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    rc=$?
    set -e
    if [ "$rc" -eq 0 ]; then
        printf ' %6ss\n' "$(seconds_since "$start")"
    else
        printf ' FAILED after %ss\n' "$(seconds_since "$start")"
        tail -n 60 "$log" >&2
    fi
    rm -f "$log"
    return "$rc"
}

# locked NAME COMMAND...: one caller at a time; the others wait, then find the work done.
locked() {
    local name="$1"
    shift
    mkdir -p "$CACHE/locks"
    (
        flock 9
        "$@" 9>&-
    ) 9>"$CACHE/locks/$name"
}
