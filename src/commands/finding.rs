//! What is wrong in a file, and where.

use std::{fmt, sync::Arc};

use super::located::Located;
use crate::resolve::problem::Problem;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, as it was named; `-` is standard input.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, where it is known.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, "{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// Where an object was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, as it was named.
    pub file: String,
    /// The line its document starts at.
    pub line: u64,
    /// Where each field of the document is.
    pub document: Option<Arc<Located>>,
    /// The path to it in its document: empty, or an item of a List.
    pub within: String,
    /// Kind and name.
    pub title: String,
}

impl Source {
    /// A finding of the whole object.
    pub fn finding(&self, message: impl fmt::Display) -> Finding {
        self.at("kind", message)
    }

    /// A finding of one field.
    pub fn problem(&self, problem: &Problem) -> Finding {
        self.at(&problem.field, problem)
    }

    /// A finding at a field.
    pub fn at(&self, field: &str, message: impl fmt::Display) -> Finding {
        let find = |field: &str| {
            let document = self.document.as_ref()?;
            document.find(&format!("{}.{field}", self.within))
        };
        let place = find(field).or_else(|| find("kind"));
        Finding {
            file: self.file.clone(),
            line: self.line + place.map_or(0, |at| at.line() - 1),
            column: place.map(|at| at.column()),
            message: format!("{}: {message}", self.title),
        }
    }
}
