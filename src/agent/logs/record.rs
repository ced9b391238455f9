//! What one line of a file holds.

/// Which of its two outputs a container wrote to. What has no outputs, such as a plain file, is
/// taken for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    #[default]
    Stdout,
    /// The standard error.
    Stderr,
}

impl Stream {
    /// Its place where something is kept for both.
    pub const fn index(self) -> usize {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
        }
    }
}

/// A line of a runtime's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Nanoseconds since 1970.
    pub time: i64,
    /// The output it was written to.
    pub stream: Stream,
    /// Whether the line ends here; otherwise its next part follows.
    pub full: bool,
    /// What was written, without a line end.
    pub text: &'a [u8],
}
