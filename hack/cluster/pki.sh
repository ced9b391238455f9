# shellcheck shell=bash
# The cluster's certificates and kubeconfigs, fresh for every start. Sourced after config.sh.

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# new_ca NAME
new_ca() {
    new_key "$PKI/$1.key"
    openssl req -x509 -new -key "$PKI/$1.key" -subj "/CN=$1" -days 3650 -out "$PKI/$1.crt" \
        -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# new_cert CA NAME SUBJECT USAGE [ALTERNATIVE_NAMES]
new_cert() {
    local extensions="extendedKeyUsage=$4"
    [ -z "${5:-}" ] || extensions+=$'\n'"subjectAltName=$5"
    new_key "$PKI/$2.key"
    openssl req -new -key "$PKI/$2.key" -subj "$3" |
        openssl x509 -req -CA "$PKI/$1.crt" -CAkey "$PKI/$1.key" -days 3650 -out "$PKI/$2.crt" \
            -set_serial "0x$(openssl rand -hex 8)" -extfile <(printf '%s\n' "$extensions")
}

# write_kubeconfig FILE CERT: everything within one file, so that it can be copied elsewhere.
write_kubeconfig() {
    cat >"$1" <<EOF
apiVersion: v1
kind: Config
current-context: $CLUSTER_NAME
clusters:
- name: $CLUSTER_NAME
  cluster:
    server: https://$NODE_IP:6443
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$2.crt")
    client-key-data: $(base64 -w0 "$PKI/$2.key")
contexts:
- name: $CLUSTER_NAME
  context: {cluster: $CLUSTER_NAME, user: $2}
EOF
    chmod 600 "$1"
}

# new_client NAME SUBJECT: a certificate and the kubeconfig of a component.
new_client() {
    new_cert ca "$1" "$2" clientAuth
    write_kubeconfig "$CONFIG/$1.kubeconfig" "$1"
}

make_pki() {
    local names="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    names+=",DNS:kubernetes.default.svc.$CLUSTER_DOMAIN,DNS:localhost,IP:127.0.0.1,IP:$NODE_IP,IP:$KUBERNETES_IP"
    new_ca ca
    new_ca front-proxy-ca
    new_cert ca apiserver /CN=kube-apiserver serverAuth "$names"
    new_cert ca kubelet "/CN=$CLUSTER_NAME" serverAuth "DNS:$CLUSTER_NAME,IP:$NODE_IP"
    new_cert ca apiserver-kubelet /O=system:masters/CN=apiserver-kubelet clientAuth
    new_cert front-proxy-ca front-proxy /CN=front-proxy clientAuth
    openssl genrsa -out "$PKI/service-accounts.key" 2048
    new_client admin /O=system:masters/CN=admin
    new_client controller-manager /CN=system:kube-controller-manager
    new_client scheduler /CN=system:kube-scheduler
    new_client proxy /CN=system:kube-proxy
    new_client node "/O=system:nodes/CN=system:node:$CLUSTER_NAME"
}
