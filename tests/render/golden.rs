//! Whole stacks, compared with files that people can read.

use std::{fmt::Write as _, fs, path::Path};

use masthead::{render, resolve::model::Stack};

use crate::stack;

/// Compares with a file of the repository; `UPDATE_GOLDEN=1` writes it instead.
fn golden(name: &str, stack: &Stack) {
    let mut text = String::new();
    for object in render::render(stack).into_ordered() {
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
