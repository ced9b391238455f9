//! The render stage from outside: what it makes of a stack, and what the real programs make of it.

// What fails here fails a test; clippy knows only the functions marked as tests.
#![allow(clippy::panic, clippy::unwrap_used)]

#[path = "support/stack.rs"]
mod stack;

#[path = "render/alerting.rs"]
mod alerting;
#[path = "render/configs.rs"]
mod configs;
#[path = "render/dashboards.rs"]
mod dashboards;
#[path = "render/flows.rs"]
mod flows;
#[path = "render/golden.rs"]
mod golden;
#[path = "render/ingress.rs"]
mod ingress;
#[path = "render/objects.rs"]
mod objects;
#[path = "render/pods.rs"]
mod pods;
#[path = "render/prometheus_operator.rs"]
mod prometheus_operator;
#[path = "render/published_fields.rs"]
mod published_fields;
#[path = "render/template.rs"]
mod template;
#[path = "render/tool.rs"]
mod tool;
#[path = "render/view.rs"]
mod view;
