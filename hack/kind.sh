# shellcheck shell=bash
# The kind cluster, for hack/up and hack/down. Sourced after lib.sh.

KIND_NAME=masthead
KIND_CONFIG="$ROOT/kind-config.yaml"
KIND_KUBECONFIG="$CACHE/kind.kubeconfig"

kind_exists() { have kind && kind get clusters 2>/dev/null | grep -qx "$KIND_NAME"; }

# A Docker daemon alone is not enough: the node's image must be here or be reachable.
kind_usable() {
    local image
    image=$(sed -nE 's/^ *image: *//p' "$KIND_CONFIG")
    have kind && docker info >/dev/null 2>&1 || return 1
    kind_exists || docker image inspect "$image" >/dev/null 2>&1 ||
        timeout 20 docker manifest inspect "$image" >/dev/null 2>&1
}

kind_up() {
    mkdir -p "$CACHE"
    if ! have kubectl || ! have helm; then "$HACK/tools/install" clients; fi
    export KUBECONFIG="$KIND_KUBECONFIG"
    if kind_exists; then
        step "kind cluster is there" kind export kubeconfig --name "$KIND_NAME"
    else
        step "kind cluster" kind create cluster --config "$KIND_CONFIG" --wait 180s
    fi
}

# Tagged by content, as on the single-node cluster.
kind_image() {
    step "image masthead:dev" docker build -t masthead:dev "$ROOT"
    REPOSITORY=masthead
    TAG=$(docker image inspect --format '{{.Id}}' masthead:dev | sed -E 's/^sha256:(.{12}).*/\1/')
    docker tag masthead:dev "$REPOSITORY:$TAG"
    step "image into the node" kind load docker-image "$REPOSITORY:$TAG" --name "$KIND_NAME"
    export REPOSITORY TAG
}
