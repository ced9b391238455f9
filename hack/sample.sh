# shellcheck shell=bash
# The sample application, for hack/up: manifests/samples/app, or what stands for it where nothing can be pulled, and the
# proof that the stack monitors it. Sourced after lib.sh; needs NAMESPACE, CLUSTER, KUBECONFIG and `prometheus`.

SAMPLE_NAMESPACE=shop
SAMPLE_IMAGES=(traefik python postgres nginx exporter)
SAMPLE_TARGETS=(traefik bot web postgres)

sample_folder() {
    case "$CLUSTER" in
        single-node) echo "$ROOT/manifests/samples/app-single-node" ;;
        *) echo "$ROOT/manifests/samples/app" ;;
    esac
}

apply_sample_application() {
    "$ROOT/manifests/samples/app/secrets" "$NAMESPACE"
    kubectl apply -k "$(sample_folder)"
}

wait_for_sample_application() {
    kubectl get deployments,statefulsets -n "$SAMPLE_NAMESPACE" -o name |
        xargs -n 1 -P 8 kubectl rollout status -n "$SAMPLE_NAMESPACE" --timeout=300s && return
    kubectl get pods -n "$SAMPLE_NAMESPACE" -o wide
    return 1
}

# One line for each part: its health by Prometheus' list of targets; PostgreSQL by what the agent says of the server.
sample_targets() {
    prometheus 'targets?state=active' | jq -r --arg namespace "$SAMPLE_NAMESPACE" \
        '.data.activeTargets[] | select(.labels.namespace == $namespace) | "\(.labels.app) \(.health)"'
    prometheus "query?query=pg_up" | jq -r --arg namespace "$SAMPLE_NAMESPACE" \
        '.data.result[] | select(.metric.namespace == $namespace) | "postgres " + ({"1": "up"}[.value[1]] // "down")'
}

# One line for each alert: what Prometheus says of it.
sample_alerts() {
    prometheus 'rules?type=alert' | jq -r --arg namespace "$SAMPLE_NAMESPACE" \
        '.data.groups[].rules[] | select(.labels.rule_namespace == $namespace) |
        "\(.name) \(if .health == "ok" then .state else .health end)"'
}

targets_are_up() {
    local name said
    said=$(sample_targets) || return 1
    for name in "${SAMPLE_TARGETS[@]}"; do
        grep -qx "$name up" <<<"$said" || return 1
    done
    ! grep -v ' up$' <<<"$said"
}

alerts_are_inactive() {
    local said
    said=$(sample_alerts) && [ -n "$said" ] || return 1
    ! grep -v ' inactive$' <<<"$said"
}

# Entries of logs that were read, sent and acknowledged, by the agents' own metrics.
sample_entries() {
    prometheus "query?query=sum(masthead_agent_log_sent_entries_total)" | jq -er '.data.result[0].value[1]'
}

logs_are_read() { [ "$(sample_entries)" -gt 0 ]; }

# wait_for COMMAND: within two minutes, or what is there instead.
wait_for() {
    local deadline=$((SECONDS + 120))
    until "$1" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            sample_targets
            sample_alerts
            return 1
        fi
        sleep 1
    done
}

show_sample() {
    echo "The sample application, in the namespace $SAMPLE_NAMESPACE:"
    { sample_targets | sed 's/^/target /'; sample_alerts | sed 's/^/alert /'; } | sort -r | column -t | sed 's/^/  /'
    echo "  log entries read and sent by the agents: $(sample_entries)"
}
