# shellcheck shell=bash
# The components' config files and flags. All that depends on the Kubernetes version is here. Sourced after config.sh.

# kubernetes_minor: 20 for v1.20.2.
kubernetes_minor() { "$KUBERNETES_BIN/kube-apiserver" --version | sed -E 's/^Kubernetes v1\.([0-9]+).*/\1/'; }

write_configs() {
    write_audit_policy
    write_containerd_config
    write_cni_config
    write_kubelet_config
    write_proxy_config
}

# Every request, without bodies: tests assert on who wrote what, and on refusals.
write_audit_policy() {
    cat >"$CONFIG/audit.yaml" <<EOF
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
EOF
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE nobody may lower a score, and pause containers ask for -998.
# The disabled plugins only log failures here, or (opt) make a folder outside the data folder.
write_containerd_config() {
    cat >"$CONFIG/containerd.toml" <<EOF
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CONFIG/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
EOF
}

write_cni_config() {
    mkdir -p "$CONFIG/cni"
    cat >"$CONFIG/cni/10-bridge.conflist" <<EOF
{
  "cniVersion": "0.3.1",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
EOF
}

# Images cannot be pulled again, so the kubelet must never delete one (imageGCHighThresholdPercent 100).
# Logs are rotated early, so that the tests see it.
write_kubelet_config() {
    printf 'nameserver %s\n' "$NODE_IP" >"$CONFIG/resolv.conf"
    cat >"$CONFIG/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
cgroupDriver: cgroupfs
cgroupRoot: /$CLUSTER_NAME
clusterDNS: [$NODE_IP]
clusterDomain: $CLUSTER_DOMAIN
resolvConf: $CONFIG/resolv.conf
failSwapOn: false
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 1s
serializeImagePulls: false
containerLogMaxSize: 1Mi
EOF
    # From 1.31 the kubelet refuses cgroup v1 unless told otherwise.
    if [ "$(kubernetes_minor)" -ge 31 ]; then echo "failCgroupV1: false" >>"$CONFIG/kubelet.yaml"; fi
}

# The conntrack limits are the whole machine's: zero leaves them alone.
write_proxy_config() {
    cat >"$CONFIG/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: $POD_CIDR
hostnameOverride: $CLUSTER_NAME
clientConnection: {kubeconfig: $CONFIG/proxy.kubeconfig}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
EOF
}

# The functions below print one component's flags, one on each line.

etcd_flags() {
    printf '%s\n' --data-dir=/var/lib/etcd --unsafe-no-fsync --log-level=warn \
        --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
        --listen-peer-urls=http://127.0.0.1:2380
}

apiserver_flags() {
    printf '%s\n' --etcd-servers=http://127.0.0.1:2379 \
        --bind-address=0.0.0.0 --secure-port=6443 --advertise-address="$NODE_IP" \
        --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
        --client-ca-file="$PKI/ca.crt" \
        --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
        --kubelet-client-certificate="$PKI/apiserver-kubelet.crt" \
        --kubelet-client-key="$PKI/apiserver-kubelet.key" \
        --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy \
        --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
        --requestheader-extra-headers-prefix=X-Remote-Extra- \
        --proxy-client-cert-file="$PKI/front-proxy.crt" --proxy-client-key-file="$PKI/front-proxy.key" \
        --service-account-key-file="$PKI/service-accounts.key" \
        --service-account-signing-key-file="$PKI/service-accounts.key" \
        --service-account-issuer="https://kubernetes.default.svc.$CLUSTER_DOMAIN" \
        --service-cluster-ip-range="$SERVICE_CIDR" \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
        --audit-policy-file="$CONFIG/audit.yaml" --audit-log-path="$DATA/audit.log" \
        --audit-log-maxsize=200 --audit-log-maxbackup=1
}

# A controller's own three kubeconfigs, and no insecure port (which newer versions do not have at all).
controller_flags() {
    printf -- '--%s=%s\n' kubeconfig "$1" authentication-kubeconfig "$1" authorization-kubeconfig "$1" \
        leader-elect false
    if [ "$(kubernetes_minor)" -lt 24 ]; then echo --port=0; fi
}

# allocate-node-cidrs would hold up the other controllers for 10 s; the CNI config has the range already.
controller_manager_flags() {
    controller_flags "$CONFIG/controller-manager.kubeconfig"
    printf '%s\n' --use-service-account-credentials --allocate-node-cidrs=false \
        --service-account-private-key-file="$PKI/service-accounts.key" --root-ca-file="$PKI/ca.crt" \
        --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
        --kube-api-qps=200 --kube-api-burst=400
}

scheduler_flags() { controller_flags "$CONFIG/scheduler.kubeconfig"; }

kubelet_flags() {
    printf '%s\n' --config="$CONFIG/kubelet.yaml" --kubeconfig="$CONFIG/node.kubeconfig" \
        --hostname-override="$CLUSTER_NAME" --node-ip="$NODE_IP" \
        --container-runtime-endpoint=unix:///run/containerd/containerd.sock
    if [ "$(kubernetes_minor)" -lt 27 ]; then echo --container-runtime=remote; fi
}

proxy_flags() { printf '%s\n' --config="$CONFIG/proxy.yaml"; }
