# shellcheck shell=bash
# Debian packages from suites the machine does not use (sid's Prometheus, source packages), through an apt
# configuration of our own: the machine's sources, lists and installed packages are never touched. Sourced after lib.sh.

APT_DIR="$CACHE/apt"

# The Debian mirror this machine is already set up for.
debian_mirror() {
    local uri
    # shellcheck disable=SC2016 # apt expands these
    uri=$(apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' |
        awk '$1 == "Packages" && $2 == "main" && $3 !~ /-/ && !seen++ { print $4 }')
    [ -n "$uri" ] || die "apt knows no Debian mirror (run apt-get update first)"
    printf '%s\n' "$uri"
}

# private_apt SUITE COMMAND...: apt-get with only that suite (packages and sources) in sight.
private_apt() {
    local dir="$APT_DIR/$1"
    shift
    apt-get -qq \
        -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$dir/lists" \
        -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
        -o APT::Sandbox::User=root -o APT::Default-Release="" "$@"
}

# use_suite SUITE: (re)reads that suite's package lists.
use_suite() {
    local dir="$APT_DIR/$1" keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror
    mirror=$(debian_mirror)
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    : >"$dir/status"
    printf '%s [signed-by='"$keyring"'] %s %s main\n' deb "$mirror" "$1" deb-src "$mirror" "$1" >"$dir/sources.list"
    private_apt "$1" update
}

# unpack_package SUITE PACKAGE DIR: the package's files under DIR, nothing installed.
unpack_package() {
    local debs status=0
    debs=$(mktemp -d)
    (cd "$debs" && private_apt "$1" download "$2" && dpkg -x "$2"_*.deb "$3") || status=$?
    rm -rf "$debs"
    return "$status"
}
