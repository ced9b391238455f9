//! `masthead check` on objects of prometheus-operator's kinds.

use masthead::{cli::CheckArgs, commands};

use crate::root;

const FOLDER: &str = "tests/fixtures/prometheus-operator";

/// Whether all is right, and what is said, line by line.
fn check(files: &[&str]) -> (bool, Vec<String>) {
    let files = files.iter().map(|file| root().join(FOLDER).join(file));
    let args = CheckArgs {
        files: files.collect(),
    };
    let mut out = Vec::new();
    let right = commands::check(&args, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    (right, out.lines().map(ToOwned::to_owned).collect())
}

#[test]
fn what_people_ship_is_right() {
    let (right, said) = check(&["monitors.yaml", "rules.yaml"]);
    let wanted = "nothing is wrong: 20 objects of prometheus-operator's kinds";
    assert_eq!((right, said), (true, vec![wanted.to_owned()]));
}

#[test]
fn what_is_left_out_is_told_where_it_stands() {
    let (right, said) = check(&["bad.yaml"]);
    assert!(!right);
    let text = std::fs::read_to_string(root().join(FOLDER).join("bad.yaml")).unwrap();
    let oauth = 1 + text
        .lines()
        .position(|line| line.contains("oauth2: {"))
        .unwrap();
    let wanted = format!(
        "bad.yaml:{oauth}:19: ServiceMonitor oauth: spec.endpoints[0].oauth2: Masthead does not support"
    );
    assert!(said.iter().any(|it| it.contains(&wanted)), "{said:#?}");
    let wanted = "PrometheusRule half-good: spec.groups[1].rules[0].expr: ";
    assert!(said.iter().any(|it| it.contains(wanted)), "{said:#?}");
}
