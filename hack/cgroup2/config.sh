# shellcheck shell=bash
# Where the guest's parts are kept. Sourced after lib.sh.

GUEST="$CACHE/cgroup2"
GUEST_SUITE=trixie
QEMU="$GUEST/qemu"
TREE="$GUEST/tree"
KERNEL="$GUEST/kernel"
DISK="$GUEST/root.img"
export GUEST GUEST_SUITE QEMU TREE KERNEL DISK
