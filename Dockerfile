# One static binary, and authorities to trust, in an empty image: the operator, and the agent on every node.
FROM docker.io/library/rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /src
# .dockerignore lets through what cargo reads and nothing else; rust-toolchain.toml stays out, since
# the image has its toolchain and rustup would fetch a second one.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release && cp target/release/masthead /masthead

FROM scratch
# Whom an agent trusts that ships logs to an https address.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /masthead /masthead
USER 65532:65532
ENTRYPOINT ["/masthead"]
