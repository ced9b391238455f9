//! The types users write and read. No input or output, no clock, no environment.

pub mod agent_config;
