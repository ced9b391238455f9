# shellcheck shell=bash
# The one place that names a cluster's parts. Sourced after lib.sh.
#   CLUSTER_NAME    names the data folder, the cgroup and the node (default masthead)
#   CLUSTER_INDEX   0 to 63, picks the addresses: two clusters side by side need two names and two indices
#   KUBERNETES_BIN  folder of the Kubernetes binaries and etcd (default: those hack/tools/build-kubernetes made)

CLUSTER_NAME="${CLUSTER_NAME:-masthead}"
[[ "$CLUSTER_NAME" =~ ^[a-z][a-z0-9-]{0,30}$ ]] || die "CLUSTER_NAME '$CLUSTER_NAME' is no short DNS label"
CLUSTERS="$CACHE/cluster"
DATA="$CLUSTERS/$CLUSTER_NAME"
KUBECONFIG_FILE="$DATA/kubeconfig"

# `down` and its like must find the cluster by its name alone, so a running cluster's index is kept with it.
if [ -z "${CLUSTER_INDEX:-}" ]; then
    CLUSTER_INDEX=$(cat "$DATA/index" 2>/dev/null || echo 0)
fi
[[ "$CLUSTER_INDEX" =~ ^[0-9]+$ && "$CLUSTER_INDEX" -lt 64 ]] || die "CLUSTER_INDEX must be 0 to 63"

# One /30 between host and node; pods and services have ranges of their own, routed from the host.
HOST_IP="${HOST_IP:-172.31.250.$((CLUSTER_INDEX * 4 + 1))}"
NODE_IP="${NODE_IP:-172.31.250.$((CLUSTER_INDEX * 4 + 2))}"
POD_CIDR="${POD_CIDR:-10.244.$CLUSTER_INDEX.0/24}"
SERVICE_CIDR="${SERVICE_CIDR:-10.$((97 + CLUSTER_INDEX)).0.0/16}"
KUBERNETES_IP="${SERVICE_CIDR%.*}.1"
HOST_LINK="masthead$CLUSTER_INDEX"
CLUSTER_DOMAIN=cluster.local
PAUSE_IMAGE=docker.io/masthead/pause:1

KUBERNETES_BIN="${KUBERNETES_BIN:-$K8S_DIR}"
PKI="$DATA/pki"
CONFIG="$DATA/config"
LOGS="$DATA/log"
# Bound over the node's own /var/lib, /var/log and /run/containerd, so that all paths in the node are the usual ones.
VAR_LIB="$DATA/node/lib"
VAR_LOG="$DATA/node/log"
RUN_CONTAINERD="$DATA/node/containerd"
CONTAINERD_SOCKET="$RUN_CONTAINERD/containerd.sock"
PID_FILE="$DATA/node.pid"

export CLUSTER_NAME CLUSTER_INDEX CLUSTERS DATA KUBECONFIG_FILE HOST_IP NODE_IP POD_CIDR SERVICE_CIDR KUBERNETES_IP
export HOST_LINK CLUSTER_DOMAIN PAUSE_IMAGE KUBERNETES_BIN PKI CONFIG LOGS VAR_LIB VAR_LOG RUN_CONTAINERD
export CONTAINERD_SOCKET PID_FILE

# A socket's path has at most 107 bytes, and the node's view of these folders is its own.
[ "${#CONTAINERD_SOCKET}" -le 107 ] || die "MASTHEAD_CACHE and CLUSTER_NAME are too long for a socket's path"
case "$DATA" in
    /var/lib/* | /var/log/* | /run/* | /proc/* | /sys/*) die "the cluster cannot live under $DATA: set MASTHEAD_CACHE" ;;
esac

# The node's first process, as the host sees it. The pid alone would not do: after a reboot it may be another's.
process_identity() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name in parentheses may hold anything; the start time is the 20th field after it.
    stat="${stat##*) }"
    # Dead, and only waiting for its parent to notice.
    [[ "$stat" != Z* ]] || return 1
    printf '%s %s %s\n' "$1" "$(cut -d' ' -f20 <<<"$stat")" "$(cat /proc/sys/kernel/random/boot_id)"
}

# node_pid: prints the pid of the running node; fails when there is none.
node_pid() {
    local saved
    saved=$(cat "$PID_FILE" 2>/dev/null) && [ -n "$saved" ] || return 1
    [ "$(process_identity "${saved%% *}")" = "$saved" ] || return 1
    printf '%s\n' "${saved%% *}"
}

kube() { kubectl --kubeconfig "$KUBECONFIG_FILE" --request-timeout=5s "$@"; }

cluster_healthy() {
    local ready='{.items[*].status.conditions[?(@.type=="Ready")].status}'
    node_pid >/dev/null && [ -s "$KUBECONFIG_FILE" ] &&
        [ "$(kube get nodes -o jsonpath="$ready" 2>/dev/null)" = True ] &&
        kube get serviceaccount default -n default >/dev/null 2>&1
}
