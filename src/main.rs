//! The command line's entry: parse, start logging, hand over.

use std::process::ExitCode;

use clap::Parser;
use masthead::{
    cli::{Cli, Command},
    telemetry,
};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        // `masthead render … | head` has what it wants.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("masthead: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "controller")]
    let mut out = std::io::stdout().lock();
    match &cli.command {
        #[cfg(feature = "controller")]
        Command::Controller(args) => {
            telemetry::init(&cli.log)?;
            let mut runtime = Builder::new_multi_thread();
            runtime.worker_threads(2);
            serve(runtime, |stop| {
                masthead::controller::run(args.clone(), stop)
            })?;
        }
        #[cfg(feature = "agent")]
        Command::Agent(args) => {
            telemetry::init(&cli.log)?;
            // Before the first thread: it holds for those that are started later.
            masthead::agent::lock(args);
            // What takes long has threads of its own. Each thread more would keep memory of its
            // own, which adds up to a fifth of the agent.
            let runtime = Builder::new_current_thread();
            serve(runtime, |stop| masthead::agent::run(args.clone(), stop))?;
        }
        #[cfg(feature = "controller")]
        Command::Crds(args) => match &args.out {
            Some(folder) => masthead::commands::write_crds(folder)?,
            None => masthead::commands::crds(&mut out)?,
        },
        #[cfg(feature = "controller")]
        Command::Render(args) => masthead::commands::render(args, &mut out)?,
        #[cfg(feature = "controller")]
        Command::Check(args) => {
            if !masthead::commands::check(args, &mut out)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Version => print_version(),
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout, reason = "it is what the user asked for")]
fn print_version() {
    println!("masthead {}", env!("CARGO_PKG_VERSION"));
}

/// Runs one of the two servers until it ends by itself or SIGTERM or SIGINT asks it to.
fn serve<F>(mut runtime: Builder, server: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    runtime.enable_all().build()?.block_on(async {
        let stop = CancellationToken::new();
        let (mut term, mut int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let asked = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            tracing::info!("Stopping.");
            asked.cancel();
        });
        server(stop).await
    })
}
