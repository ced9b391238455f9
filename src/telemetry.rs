//! Logs: human text on a terminal, JSON elsewhere.
