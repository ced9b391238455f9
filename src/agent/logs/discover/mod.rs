//! Which log files there are. Folders are looked at again and again: that is the truth, whatever
//! the kernel may tell of changes. One whose time of change is the same is not read.

mod containers;
mod folder;
mod plain;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use containers::{Docker, Pods, Scan};
pub use plain::Plain;

use super::files::Listed;
use super::source::Kind;

/// What is found.
#[derive(Debug)]
pub enum Change {
    /// These are the files of a source, new or changed.
    Files(Found),
    /// The folder of a source is no more.
    Gone(String),
    /// A folder cannot be read, as it could before.
    Failed(PathBuf, io::Error),
}

/// The files of a source.
#[derive(Debug)]
pub struct Found {
    /// What the checkpoint calls the source.
    pub key: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// What it is of.
    pub kind: Kind,
    /// Folders that they may be in, when links are followed.
    pub within: Arc<[PathBuf]>,
    /// The watch that tells of every change of them; none when they must be looked at.
    pub watch: Option<i32>,
    /// Its files.
    pub files: Vec<Listed>,
}
