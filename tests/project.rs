//! What holds for the project as a whole: generated files are fresh, resources stay bounded, the
//! layers keep their direction, files stay short.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::core::cel::{CompiledSchema, ScopeContext, analyze_rule, compile_schema};
use masthead::api;
use serde_json::Value;

/// Half of what an annotation holds: `kubectl apply` keeps the whole definition in one, as JSON.
const MAX_CRD_BYTES: usize = 128 << 10;
const MAX_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder that end in `.rs`.
fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found
}

fn schemas() -> Vec<(String, Value)> {
    api::crds()
        .into_iter()
        .map(|crd| {
            let schema = crd.spec.versions[0].schema.as_ref().unwrap();
            let schema = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
            (crd.spec.names.kind, schema)
        })
        .collect()
}

#[test]
fn the_committed_crds_are_what_the_types_give() {
    for crd in api::crds() {
        let name = format!("{}.yaml", crd.spec.names.plural);
        let fresh = serde_saphyr::to_string(&crd).unwrap();
        let stored = serde_json::to_string(&crd).unwrap().len();
        assert!(stored < MAX_CRD_BYTES, "{name} has {stored} bytes");
        for folder in ["crds", "charts/masthead/files/crds"] {
            let committed = fs::read_to_string(root().join(folder).join(&name)).unwrap();
            assert!(
                committed == fresh,
                "{folder}/{name} is stale: run make generate"
            );
        }
    }
}

#[test]
fn no_rule_of_a_crd_costs_more_than_a_server_allows() {
    fn walk(path: &str, schema: &CompiledSchema, found: &mut Vec<String>) {
        for rule in &schema.validations {
            match rule {
                Err(error) => found.push(format!("{path}: {error:?}")),
                Ok(rule) => found.extend(
                    analyze_rule(&rule.rule.rule, schema, ScopeContext::CrdValidation)
                        .iter()
                        .map(|warning| format!("{path}: {warning:?}")),
                ),
            }
        }
        for (name, property) in &schema.properties {
            walk(&format!("{path}.{name}"), property, found);
        }
        for items in schema.items.iter().chain(&schema.additional_properties) {
            walk(&format!("{path}[]"), items, found);
        }
    }
    for (kind, schema) in schemas() {
        let mut found = Vec::new();
        walk(&kind, &compile_schema(&schema), &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn every_list_map_and_string_that_users_write_has_a_bound() {
    fn walk(path: &str, schema: &Value, found: &mut Vec<String>) {
        let lacks = |bound: &str| schema.get(bound).is_none();
        match schema["type"].as_str() {
            Some("array") if lacks("maxItems") => found.push(format!("{path}: maxItems")),
            Some("string") if lacks("maxLength") && lacks("enum") => {
                found.push(format!("{path}: maxLength"));
            }
            Some("object")
                if schema.get("additionalProperties").is_some() && lacks("maxProperties") =>
            {
                found.push(format!("{path}: maxProperties"));
            }
            _ => {}
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, found);
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key) {
                walk(&format!("{path}[]"), inner, found);
            }
        }
    }
    for (kind, schema) in schemas() {
        let mut found = Vec::new();
        walk(
            &format!("{kind}.spec"),
            &schema["properties"]["spec"],
            &mut found,
        );
        assert!(found.is_empty(), "without a bound: {found:#?}");
    }
}

#[test]
fn every_field_that_users_write_explains_itself() {
    fn walk(path: &str, schema: &Value, found: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property.get("description").is_none() {
                found.push(path.clone());
            }
            walk(&path, property, found);
            walk(&path, &property["items"], found);
        }
    }
    for (kind, schema) in schemas() {
        let mut found = Vec::new();
        walk(&kind, &schema["properties"]["spec"], &mut found);
        assert!(found.is_empty(), "without a description: {found:#?}");
    }
}

/// What each folder of `src` may use of the others.
const LAYERS: [(&str, &[&str]); 7] = [
    ("api", &["api"]),
    ("resolve", &["api", "resolve"]),
    ("render", &["api", "resolve", "render"]),
    (
        "controller",
        &[
            "api",
            "resolve",
            "render",
            "controller",
            "admin",
            "telemetry",
            "cli",
        ],
    ),
    ("agent", &["api", "agent", "admin", "telemetry", "cli"]),
    ("commands", &["api", "resolve", "render", "commands", "cli"]),
    // The agent shares one type of the API with the operator and nothing else.
    ("agent/", &["api::agent_config"]),
];

#[test]
fn the_layers_keep_their_direction() {
    for (folder, allowed) in LAYERS {
        for file in sources(&format!("src/{folder}")) {
            let text = fs::read_to_string(&file).unwrap();
            for path in crate_paths(&text) {
                let layer = path.split("::").next().unwrap_or_default();
                let fine = if folder.ends_with('/') {
                    layer != "api" || allowed.iter().any(|it| path.starts_with(it))
                } else {
                    allowed.contains(&layer)
                };
                assert!(fine, "{} uses crate::{path}", file.display());
            }
        }
    }
}

/// Every `crate::…` path of a source file, groups of a `use` taken apart.
fn crate_paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(top_level_items(group));
        } else {
            let path = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'));
            found.push(path.collect());
        }
    }
    found.retain(|path| !path.is_empty());
    found
}

/// The items of a `use` group up to its closing brace: `a::{b, c}, d` gives `a::` and `d`.
fn top_level_items(group: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(String::new()),
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 && !c.is_whitespace() => items.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    items
}

#[test]
fn the_pure_stages_touch_no_clock_no_environment_and_no_io() {
    const IMPURE: [&str; 8] = [
        "tokio::",
        "std::fs",
        "std::env",
        "std::net",
        "Timestamp::now",
        "SystemTime::now",
        "Instant::now",
        "kube::Client",
    ];
    for folder in ["src/api", "src/resolve", "src/render"] {
        for file in sources(folder) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            for word in IMPURE {
                assert!(!code.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

#[test]
fn no_source_file_is_longer_than_a_reader_takes_in() {
    for file in sources("src").into_iter().chain(sources("tests")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", file.display());
    }
}
