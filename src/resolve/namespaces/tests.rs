use std::collections::BTreeMap;

use crate::{
    api::stack::MonitoringStack,
    resolve::{Inputs, model::Namespaces, resolve, stack::fixture::inputs},
};

/// What `spec.discovery.namespaces` means to a stack in `shop`, and the problems with it.
fn chosen(selector: &str, inputs: &Inputs) -> (Namespaces, Vec<String>) {
    let stack: MonitoringStack = serde_saphyr::from_str(&format!(
        "apiVersion: masthead.dev/v1alpha1\nkind: MonitoringStack\nmetadata: {{name: main, namespace: shop, uid: u}}\nspec: {{discovery: {{namespaces: {selector}}}}}\n"
    ))
    .unwrap();
    let resolution = resolve(&stack, inputs).unwrap();
    let discovery = resolution.stack.prometheus.unwrap().discovery.unwrap();
    let problems = resolution.problems.iter().map(ToString::to_string);
    (discovery.annotations.unwrap(), problems.collect())
}

fn cluster() -> Inputs {
    let labels = |team: &str| BTreeMap::from([("team".to_owned(), team.to_owned())]);
    let namespaces = [
        ("shop".to_owned(), BTreeMap::new()),
        ("cart".to_owned(), labels("shop")),
        ("search".to_owned(), labels("search")),
    ];
    Inputs {
        namespaces: Some(namespaces.into()),
        ..inputs()
    }
}

fn these(names: &[&str]) -> Namespaces {
    Namespaces::These(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn the_stacks_own_namespace_is_always_among_them() {
    let none = (these(&["shop"]), vec![]);
    assert_eq!(chosen("{}", &cluster()), none);
    assert_eq!(chosen("{all: false}", &cluster()), none);
    assert_eq!(
        chosen("{names: [cart]}", &cluster()).0,
        these(&["cart", "shop"])
    );
    let by_label = chosen("{matchLabels: {team: shop}}", &cluster());
    assert_eq!(by_label, (these(&["cart", "shop"]), vec![]));
    assert_eq!(chosen("{all: true}", &cluster()), (Namespaces::All, vec![]));
}

#[test]
fn a_name_that_no_namespace_has_leaves_the_others() {
    let (namespaces, problems) = chosen("{names: [crat, search]}", &cluster());
    assert_eq!(namespaces, these(&["search", "shop"]));
    assert_eq!(
        problems,
        ["spec.discovery.namespaces.names[0]: there is no namespace \"crat\""]
    );
}

#[test]
fn without_a_cluster_names_are_taken_as_they_are() {
    let (namespaces, problems) = chosen("{names: [anything]}", &inputs());
    assert_eq!(namespaces, these(&["anything", "shop"]));
    assert!(problems.is_empty());
}

#[test]
fn two_ways_at_once_leave_the_own_namespace() {
    let (namespaces, problems) = chosen("{all: true, names: [cart]}", &cluster());
    assert_eq!(namespaces, these(&["shop"]));
    assert_eq!(
        problems,
        ["spec.discovery.namespaces: all, names or matchLabels: one of them"]
    );
}

#[test]
fn an_operator_of_some_namespaces_takes_names_alone() {
    let mut inputs = inputs();
    inputs.operator.cluster_wide = false;
    for selector in ["{all: true}", "{matchLabels: {team: shop}}"] {
        let (namespaces, problems) = chosen(selector, &inputs);
        assert_eq!(namespaces, these(&["shop"]), "{selector}");
        assert!(problems[0].contains("write their names"), "{problems:?}");
    }
    assert_eq!(
        chosen("{names: [cart]}", &inputs).0,
        these(&["cart", "shop"])
    );
}
