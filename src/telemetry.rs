//! Logs: human text on a terminal, JSON elsewhere. And the one metric both halves share.

use std::io::IsTerminal;

use anyhow::Context;
use prometheus::{IntGauge, Opts, Registry};
use tracing_subscriber::EnvFilter;

/// The version of this binary.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Starts logging to standard error; standard output stays free for what a command prints.
///
/// `directives` is a level or a list such as `info,masthead=debug`.
///
/// # Errors
/// When the directives cannot be read, or logging has been started before.
pub fn init(directives: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(directives).with_context(|| {
        format!("--log {directives:?}: give a level or directives such as info,masthead=debug")
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        logs.try_init()
    } else {
        logs.with_ansi(false)
            .json()
            .flatten_event(true)
            // The innermost span is there already.
            .with_span_list(false)
            .try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging: {error}"))
}

/// Registers `masthead_build_info{version}`, always 1.
///
/// # Errors
/// When the registry has it already.
pub fn build_info(registry: &Registry) -> prometheus::Result<()> {
    let opts = Opts::new(
        "masthead_build_info",
        "Always 1; the label tells the version.",
    )
    .const_label("version", VERSION);
    let gauge = IntGauge::with_opts(opts)?;
    gauge.set(1);
    registry.register(Box::new(gauge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_that_cannot_be_read_are_named_with_a_remedy() {
        let error = init("masthead=loud").unwrap_err().to_string();
        assert!(error.contains("--log \"masthead=loud\""), "{error}");
        assert!(error.contains("info,masthead=debug"), "{error}");
    }

    #[test]
    fn build_info_can_be_registered_once() {
        let registry = Registry::new();
        build_info(&registry).unwrap();
        assert!(build_info(&registry).is_err());
    }
}
