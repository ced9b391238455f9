//! The operator against a real API server: see `support/apiserver.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/apiserver.rs"]
mod apiserver;
mod bench;
mod crd_server;
mod crds;
mod dashboards;
mod foreign;
mod kill;
mod lease;
mod objects;
#[path = "../support/processes.rs"]
mod processes;
mod rights;
mod rules;
mod selection;
mod status;
mod targets;
#[path = "../render/tool.rs"]
#[allow(dead_code, reason = "shared with the tests of rendering")]
mod tool;
mod volumes;
mod whole;

use apiserver::ApiServer;
use bench::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_applied_put_back_and_pruned_and_nothing_else_is_touched() {
    let Some(server) = ApiServer::start().await else {
        return;
    };
    let bench = Bench::new(server).await;
    objects::nothing_is_written_twice(&bench).await;
    objects::drift_is_put_back(&bench).await;
    objects::what_goes_with_its_namespace_is_not_put_back(&bench).await;
    objects::whoever_keeps_changing_an_object_is_named(&bench).await;
    objects::only_what_is_ours_is_pruned(&bench).await;
    objects::somebody_elses_object_is_left_alone(&bench).await;
    objects::a_kind_that_is_not_served_is_skipped(&bench).await;
    objects::an_immutable_field_is_kept_without_a_loop(&bench).await;
    rules::a_stack_that_has_not_seen_the_others_entry_keeps_it(&bench).await;
    rules::what_the_operator_before_found_refused_stays_out(&bench).await;
    status::a_component_that_is_switched_on_later_leaves_no_status_to_write(&bench).await;
    status::a_stack_that_went_while_it_was_looked_at_is_forgotten(&bench).await;
    status::the_status_of_a_stack_that_went_meanwhile_is_no_failure(&bench).await;
    Box::pin(volumes::volumes_grow_where_their_class_allows_it(&bench)).await;
    Box::pin(volumes::volumes_go_with_their_stack_only_where_it_says_so(
        &bench,
    ))
    .await;
    Box::pin(kill::a_first_reconcile_killed_anywhere_is_finished_by_the_next(&bench)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_runs_with_the_rights_of_the_chart_and_rests_when_nothing_changes() {
    let Some(server) = ApiServer::start().await else {
        return;
    };
    let bench = Bench::new(server).await;
    lease::one_of_two_acts_and_the_other_takes_over(&bench).await;
    whole::a_stack_runs_its_course(&bench).await;
    whole::a_crowd_of_stacks_is_served_in_turn(&bench).await;
    whole::a_stack_in_a_watched_namespace_needs_no_right_in_the_cluster(&bench).await;
}
