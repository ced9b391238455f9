//! Where in a text something is wrong, in the words a person looks for.

/// What is wrong, and at which character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    at: usize,
    message: String,
}

impl Fault {
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    /// The message with its line and column, both from one.
    pub fn describe(&self, text: &[char]) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.iter().filter(|&&c| c == '\n').count() + 1;
        let column = before.iter().rev().take_while(|&&c| c != '\n').count() + 1;
        format!("line {line}, column {column}: {}", self.message)
    }
}
