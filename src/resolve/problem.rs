//! What is wrong with what a user wrote: the object, the field and the remedy.

use std::fmt;

/// One thing that is wrong. It takes out its own piece alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field's path in its object, such as `spec.alerting.receivers[oncall].slack`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem with one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
