//! Whole stacks, compared with files that people can read.

use std::{fmt::Write as _, fs, path::Path};

use masthead::{render, resolve::model::Stack};

use serde_json::Value;

use crate::stack;

/// Compares with a file of the repository; `UPDATE_GOLDEN=1` writes it instead.
fn golden(name: &str, stack: &Stack) {
    let mut text = String::new();
    for mut object in render::render(stack).into_ordered() {
        if object.name.ends_with("-dashboards-shipped") {
            shorten(&mut object.body);
        }
        let body = serde_saphyr::to_string(&object.body).unwrap();
        write!(text, "---\n{body}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == wanted,
        "{} differs from what is rendered: run UPDATE_GOLDEN=1 cargo test --test render, then read the diff",
        path.display()
    );
}

/// Dashboards are long, and people read them in Grafana.
fn shorten(config_map: &mut Value) {
    for text in config_map["data"].as_object_mut().unwrap().values_mut() {
        *text = "…".into();
    }
    // It would change with every dashboard.
    config_map["metadata"]["annotations"] = Value::Null;
}

#[test]
fn an_empty_specification_renders_the_minimal_stack() {
    golden("minimal.yaml", &stack::minimal());
}

#[test]
fn everything_that_can_be_set_is_rendered() {
    golden("full.yaml", &stack::full());
}

#[test]
fn a_loki_elsewhere_gets_the_lines_and_grafana_asks_it() {
    golden("external-loki.yaml", &stack::external());
}

#[test]
fn an_old_single_node_cluster_gets_what_it_can_store() {
    golden("single-node.yaml", &stack::single_node());
}
