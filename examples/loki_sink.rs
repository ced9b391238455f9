//! The stand-in for Loki's push endpoint as a process, for benchmarks and for the cluster:
//! `loki_sink <address> [loki]`; with `loki` it has Loki's default rates too, else none.

#[path = "../tests/support/loki/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "shared with the tests"
)]
mod loki;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3100".into());
    let limits = match args.next().as_deref() {
        Some("loki") => loki::Limits::default(),
        _ => loki::Limits::generous(),
    };
    let _running = loki::Loki::listen(&address, limits, false)?;
    loop {
        std::thread::park();
    }
}
