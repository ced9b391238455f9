//! The operator's edge: everything that talks to an API server or a back end.
