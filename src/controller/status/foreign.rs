//! What became of the objects of prometheus-operator's kinds.

use crate::{
    api::status::{ForeignCounts, ForeignNote},
    controller::conditions::{MESSAGE_CHARS, clip},
    resolve::prometheus_operator::Report,
};

/// The bound of `status.prometheusOperator.notes` in the CRD.
const NOTES: usize = 32;

/// Counts and notes; none where no kind is installed or wanted. What is left out comes first.
pub fn counts(report: &Report) -> Option<ForeignCounts> {
    if !report.installed {
        return None;
    }
    let shown = if report.notes.len() > NOTES {
        NOTES - 1
    } else {
        NOTES
    };
    let mut notes: Vec<_> = report
        .notes
        .iter()
        .take(shown)
        .map(|note| ForeignNote {
            object: note.object.title(),
            left_out: note.left_out,
            message: clip(&note.problem.to_string(), MESSAGE_CHARS),
        })
        .collect();
    let more = report.notes.len() - notes.len();
    if more > 0 {
        notes.push(ForeignNote {
            object: "others".into(),
            left_out: report.notes.iter().skip(shown).any(|note| note.left_out),
            message: format!("{more} more; each object has its own as an Event"),
        });
    }
    Some(ForeignCounts {
        selected: super::count(report.selected),
        refused: super::count(report.refused),
        notes,
    })
}
