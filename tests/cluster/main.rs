//! The whole on a real cluster: the chart's operator, a Ready stack, and what users do to it.
//!
//! `hack/cluster-test` starts the single-node cluster with the operator and the sample stack and
//! then runs this with `MASTHEAD_TEST_CLUSTER=1`. Without that variable nothing is tested, and
//! that is said. The steps run one after another: they share the stack.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/loki/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::string_slice,
    clippy::let_underscore_must_use,
    reason = "shared with the tests of logs"
)]
mod loki;

#[path = "../backend/inbox.rs"]
#[allow(dead_code, reason = "shared with the tests of back ends")]
mod inbox;
#[path = "../agent/postgres/server.rs"]
#[allow(dead_code, reason = "shared with the tests of the agent")]
mod postgres;

mod faults;
mod steps;
mod steps_alerts;
mod steps_containers;
mod steps_dashboards;
mod steps_discovery;
mod steps_load;
mod steps_logs;
mod steps_remedies;
mod steps_rules;
mod steps_runtime;
mod steps_sample;
mod support;

use support::Cluster;

/// For a developer: an agent of this tree on the machine of a cluster that runs another one.
#[tokio::test]
async fn an_agent_beside_the_cluster_tells_its_containers() {
    if std::env::var_os("MASTHEAD_TEST_AGENT").is_none() {
        return;
    }
    let cluster = Cluster::connect().await;
    steps_containers::containers_are_told_as_the_kubelet_tells_them(&cluster).await;
    steps_containers::a_known_load_shows_its_figures(&cluster).await;
    steps_containers::the_load_ends(&cluster).await;
}

/// For a developer: the runtime's socket on a cluster that runs.
#[tokio::test]
async fn the_runtimes_socket_on_a_cluster_that_runs() {
    if std::env::var_os("MASTHEAD_TEST_RUNTIME").is_none() {
        return;
    }
    let cluster = Cluster::connect().await;
    steps_containers::containers_are_told_as_the_kubelet_tells_them(&cluster).await;
    steps_runtime::what_was_written_is_what_the_kubelet_says(&cluster).await;
    steps_runtime::an_agent_without_configuration_has_the_names_from_containerd(&cluster).await;
    steps_containers::the_load_ends(&cluster).await;
}

/// For a developer: the dashboards' queries against the Prometheus of a cluster that runs.
#[tokio::test]
async fn every_panel_has_data_on_a_cluster_that_runs() {
    if std::env::var_os("MASTHEAD_TEST_DASHBOARDS").is_none() {
        return;
    }
    let cluster = Cluster::connect().await;
    steps_dashboards::every_panel_has_data(&cluster).await;
}

/// For a developer: the default alerts on a cluster that runs, from a machine that the node reaches.
#[tokio::test]
async fn the_default_alerts_on_a_cluster_that_runs() {
    if std::env::var_os("MASTHEAD_TEST_ALERTS").is_none() {
        return;
    }
    let cluster = Cluster::connect().await;
    steps_alerts::the_six_default_alerts_fire_are_told_and_resolve(&cluster).await;
}

#[tokio::test]
async fn a_stack_on_a_real_cluster_does_what_its_users_expect() {
    if std::env::var_os("MASTHEAD_TEST_CLUSTER").is_none() {
        eprintln!("SKIPPED: no cluster (MASTHEAD_TEST_CLUSTER is not set): run hack/cluster-test");
        return;
    }
    let cluster = Cluster::connect().await;
    steps::the_agents_series_are_in_prometheus(&cluster).await;
    steps_sample::every_part_is_up_and_its_rules_are_quiet(&cluster).await;
    steps_sample::it_is_reached_through_traefik(&cluster).await;
    steps_sample::postgres_is_found_by_its_label(&cluster).await;
    steps_sample::postgres_is_named(&cluster).await;
    steps_dashboards::every_panel_has_data(&cluster).await;
    steps_containers::containers_are_told_as_the_kubelet_tells_them(&cluster).await;
    steps_containers::a_known_load_shows_its_figures(&cluster).await;
    steps_runtime::what_was_written_is_what_the_kubelet_says(&cluster).await;
    steps_runtime::an_agent_without_configuration_has_the_names_from_containerd(&cluster).await;
    steps_containers::the_load_ends(&cluster).await;
    steps_sample::postgres_is_asked_by_name(&cluster).await;
    steps_sample::postgres_comes_back_with_its_rows(&cluster).await;
    steps::status_tells_what_runs(&cluster).await;
    steps_discovery::what_asks_is_scraped_and_what_cannot_be_says_why(&cluster).await;
    steps_logs::every_line_of_a_pod_that_the_kubelet_rotates_is_shipped(&cluster).await;
    steps::drift_is_put_back(&cluster).await;
    steps::a_paused_stack_is_left_alone(&cluster).await;
    steps::a_reloadable_field_rolls_nothing(&cluster).await;
    steps::a_flag_rolls_its_own_component_only(&cluster).await;
    steps::an_alert_rule_is_loaded_and_a_bad_one_says_why(&cluster).await;
    steps_rules::a_rule_fires_is_ill_or_quiet_and_says_which(&cluster).await;
    steps_rules::the_default_rules_are_loaded_and_one_fires(&cluster).await;
    steps_alerts::the_six_default_alerts_fire_are_told_and_resolve(&cluster).await;
    steps_rules::a_thousand_good_rules_load_beside_a_bad_one(&cluster).await;
    steps::an_image_that_cannot_be_pulled_is_named(&cluster).await;
    steps_remedies::what_the_cluster_refuses_is_told_with_the_field_that_helps(&cluster).await;
    steps::a_bad_field_keeps_what_runs(&cluster).await;
    steps::an_idle_stack_causes_no_write_but_the_leases(&cluster).await;
    faults::two_operators_stand_by_and_one_acts(&cluster).await;
    faults::an_operator_outside_the_cluster_reaches_pods_by_port_forward(&cluster).await;
    faults::the_api_server_is_killed_under_it(&cluster).await;
    faults::an_operator_that_is_killed_comes_back_and_changes_nothing(&cluster).await;
    steps::deleting_the_stack_leaves_nothing_but_its_volumes(&cluster).await;
}
