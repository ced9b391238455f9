# shellcheck shell=sh
# Source this to work with the tools hack/tools/install keeps in the cache:
#   . hack/tools/env.sh
# KUBEBUILDER_ASSETS (etcd, kube-apiserver, kubectl) is respected where it is already set.
MASTHEAD_CACHE="${MASTHEAD_CACHE:-$HOME/.cache/masthead}"
KUBEBUILDER_ASSETS="${KUBEBUILDER_ASSETS:-$MASTHEAD_CACHE/kubernetes-1.20.2}"
case ":$PATH:" in
    *":$MASTHEAD_CACHE/bin:"*) ;;
    *) PATH="$MASTHEAD_CACHE/bin:$PATH" ;;
esac
export MASTHEAD_CACHE KUBEBUILDER_ASSETS PATH
