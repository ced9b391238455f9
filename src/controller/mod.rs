//! The operator's edge: everything that talks to an API server or a back end.

pub mod apply;
pub mod backend;
pub mod conditions;
pub mod deliver;
pub mod error;
pub mod observe;
pub mod status;
