//! The endpoints both halves serve about themselves: `/livez`, `/readyz`, `/metrics`.
