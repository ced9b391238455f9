//! The real programs that read the configuration files, where they can be found.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, Output},
};

/// A program from the PATH or from `${MASTHEAD_CACHE:-~/.cache/masthead}/bin`. Without it the test
/// that asks is skipped, loudly; where `CI` is set it fails.
pub fn find(name: &str) -> Option<PathBuf> {
    let cache = env::var_os("MASTHEAD_CACHE").map_or_else(
        || env::home_dir().map(|home| home.join(".cache/masthead")),
        |cache| Some(cache.into()),
    );
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain(cache.map(|cache| cache.join("bin")))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(
            env::var_os("CI").is_none(),
            "{name} is needed and not found"
        );
        // Not by `eprintln`, which a passing test keeps to itself.
        let line = format!("SKIPPED: {name} is neither in the PATH nor in ~/.cache/masthead/bin\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}

/// Runs a program that must succeed, and gives what it printed.
pub fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let printed = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{command:?}\n{printed}");
    printed
}
