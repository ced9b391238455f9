use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use proptest::prelude::*;
use serde_json::json;

use super::{Judged, document, judge};

fn map(name: &str, folder: &str, files: &[(&str, &str)]) -> Arc<ConfigMap> {
    let data: std::collections::BTreeMap<_, _> = files.iter().copied().collect();
    let map = json!({
        "metadata": {
            "name": name, "namespace": "shop", "annotations": {"grafana_folder": folder},
        },
        "data": data,
    });
    Arc::new(serde_json::from_value(map).unwrap())
}

fn judged(maps: &[Arc<ConfigMap>]) -> Judged {
    judge(maps, |map| map.namespace().as_deref() == Some("shop"))
}

fn said(judged: &Judged) -> Vec<String> {
    judged
        .refused
        .iter()
        .map(|refused| refused.problem().to_string())
        .collect()
}

#[test]
fn a_bad_dashboard_is_named_and_the_others_are_taken() {
    let judged = judged(&[map(
        "boards",
        "Shop",
        &[
            ("bad.json", "{\"title\": "),
            ("good.json", r#"{"uid": "shop", "title": "Shop"}"#),
            ("list.json", "[]"),
            ("notes.md", "hello"),
            ("nameless.json", "{}"),
            (
                "answer.json",
                r#"{"dashboard": {"title": "x"}, "meta": {}}"#,
            ),
            ("ours.json", r#"{"uid": "masthead-node", "title": "Mine"}"#),
        ],
    )]);
    assert_eq!(
        said(&judged),
        [
            "ConfigMap shop/boards data[answer.json]: is an answer of Grafana's API: write what is below its \"dashboard\"",
            "ConfigMap shop/boards data[bad.json]: is not JSON: EOF while parsing a value at line 1 column 10",
            "ConfigMap shop/boards data[list.json]: is not a JSON object: write the dashboard's JSON model",
            "ConfigMap shop/boards data[nameless.json]: has no title, which Grafana needs",
            "ConfigMap shop/boards data[notes.md]: is no dashboard: its key must end in .json",
            "ConfigMap shop/boards data[ours.json]: its uid \"masthead-node\" starts with masthead-, as those of the stack's own dashboards do: give it another one",
        ]
    );
    let shards: Vec<_> = judged.shards.values().collect();
    assert_eq!(shards.len(), 1);
    assert_eq!(shards[0].folder, "Shop");
    assert_eq!(
        shards[0].files["shop.json"],
        r#"{"uid": "shop", "title": "Shop"}"#
    );
}

#[test]
fn the_first_by_name_keeps_a_uid_and_a_title_that_two_have() {
    let one = r#"{"uid": "a", "title": "A"}"#;
    let same_uid = r#"{"uid": "a", "title": "B"}"#;
    let same_title = r#"{"uid": "b", "title": "A"}"#;
    let maps = [
        map("third", "", &[("t.json", same_title)]),
        map("second", "", &[("u.json", same_uid)]),
        map("first", "", &[("x.json", one)]),
    ];
    let judged = judged(&maps);
    assert_eq!(
        said(&judged),
        [
            "ConfigMap shop/second data[u.json]: its uid \"a\" is that of ConfigMap shop/first data[x.json]: give it another one",
            "ConfigMap shop/third data[t.json]: another dashboard of its folder is called \"A\" too: Grafana shows one of the two",
        ]
    );
}

#[test]
fn each_folder_has_shards_of_its_own_and_what_has_no_room_is_named() {
    let board = |n: usize| format!(r#"{{"uid": "u{n}", "title": "T{n}"}}"#);
    let maps: Vec<_> = (0..17)
        .map(|n| {
            map(
                &format!("m{n:02}"),
                &format!("F{n:02}"),
                &[("x.json", &board(n))],
            )
        })
        .collect();
    let judged = judged(&maps);
    assert_eq!(judged.shards.len(), 16);
    assert_eq!(judged.refused.len(), 1);
    assert!(
        said(&judged)[0].contains("there is no room for it"),
        "{:?}",
        said(&judged)
    );
}

#[test]
fn a_folder_that_is_too_large_for_one_shard_has_several() {
    let board = |n: usize| {
        format!(
            r#"{{"uid": "u{n}", "title": "T{n}", "x": "{}"}}"#,
            "y".repeat(500_000)
        )
    };
    let boards = [board(1), board(2), board(3)];
    let maps: Vec<_> = boards
        .iter()
        .enumerate()
        .map(|(n, text)| map(&format!("m{n}"), "Large", &[("x.json", text)]))
        .collect();
    let judged = judged(&maps);
    assert_eq!(judged.shards.len(), 3);
    assert!(judged.shards.values().all(|shard| shard.folder == "Large"));
}

#[test]
fn a_dashboard_without_a_uid_gets_one_that_stays() {
    let text = r#"{"title": "T"}"#;
    let one = document::read(text, || "cm-1".into()).unwrap();
    assert_eq!(one.uid, "cm-1");
    assert!(one.text.contains(r#""uid":"cm-1""#), "{}", one.text);
    let files = |name: &str| {
        let judged = judged(&[map(name, "", &[("x.json", text)])]);
        judged
            .shards
            .into_values()
            .flat_map(|shard| shard.files.into_keys())
            .next()
    };
    assert_eq!(files("a"), files("a"));
    assert_ne!(files("a"), files("b"));
}

#[test]
fn the_data_sources_of_a_shared_dashboard_are_put_in() {
    let text = r#"{"uid": "u", "title": "T", "__inputs": [{"name": "DS_PROM", "type": "datasource", "pluginId": "prometheus"}], "panels": [{"datasource": "${DS_PROM}"}]}"#;
    let read = document::read(text, String::new).unwrap();
    assert!(
        read.text.contains(r#""datasource": "prometheus""#),
        "{}",
        read.text
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _read = document::read(&text, || "cm-0".into());
    }

    #[test]
    fn no_object_makes_it_panic(uid in "\\PC{0,50}", title in "\\PC{0,20}", name in "\\PC{0,9}") {
        let text = json!({"uid": uid, "title": title, "__inputs": [{"name": name, "pluginId": "loki"}]});
        if let Ok(read) = document::read(&text.to_string(), || "cm-0".into()) {
            prop_assert!(read.uid.len() <= 40);
        }
    }
}
