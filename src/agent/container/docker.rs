//! Docker's containers, followed through its Engine API: the list once, then its events. Between
//! events nothing is asked.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum as Status, ContainerSummary,
};
use bollard::query_parameters::{EventsOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::{StreamExt, TryStreamExt};

use super::told::{DockerContainer, Shared};

/// How long one answer may take, seconds; events come whenever they come.
const PATIENCE: u64 = 30;
/// How long to wait before Docker is tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// What changes something that is shown. Health checks alone are many events a minute.
const EVENTS: [&str; 9] = [
    "create", "start", "restart", "die", "destroy", "rename", "pause", "unpause", "oom",
];

/// Follows Docker for ever; a socket that is not there yet is waited for.
pub async fn follow(told: Shared, socket: String, labels: Vec<String>) {
    let mut wait = RETRY.0;
    let mut said = false;
    loop {
        let ended = match Docker::connect_with_unix(&socket, PATIENCE, API_DEFAULT_VERSION) {
            Ok(docker) => match docker.negotiate_version().await {
                Ok(docker) => follow_once(&told, &docker, &labels).await,
                Err(error) => Err(error),
            },
            // Most hosts without Docker stay so.
            Err(Error::SocketNotFoundError(_)) => Ok(()),
            Err(error) => Err(error),
        };
        match ended {
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(%error, socket, "cannot ask Docker; its containers have no names");
            }
            _ => {}
        }
        if told.with(|told| !told.docker.is_empty()) {
            wait = RETRY.0;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Follows until the connection ends.
async fn follow_once(told: &Shared, docker: &Docker, labels: &[String]) -> Result<(), Error> {
    let filter = |name: &str, values: &[&str]| {
        (
            name.to_owned(),
            values.iter().map(|it| (*it).to_owned()).collect(),
        )
    };
    let options = EventsOptions {
        filters: Some(HashMap::from([
            filter("type", &["container"]),
            filter("event", &EVENTS),
        ])),
        ..EventsOptions::default()
    };
    // Asked for before the list, so that nothing between the two is missed.
    let mut events = docker.events(Some(options)).boxed();
    let mut first = Box::pin(events.try_next());
    let listing = ListContainersOptions {
        all: true,
        ..ListContainersOptions::default()
    };
    let listed = tokio::select! {
        biased;
        event = &mut first => return event.map(|_| ()),
        listed = docker.list_containers(Some(listing)) => listed?,
    };
    let ids: Vec<String> = listed
        .into_iter()
        .filter_map(|container| container.id)
        .collect();
    told.with(|told| told.docker.retain(|id, _| ids.contains(id)));
    for id in ids {
        look(told, docker, labels, id).await?;
    }
    let root = docker.info().await?.docker_root_dir.unwrap_or_default();
    told.with(|told| told.docker_disk.root = root);
    let mut next = first;
    loop {
        let event = tokio::select! {
            event = &mut next => event?,
            () = told.wanted() => {
                measure(told, docker).await?;
                continue;
            }
        };
        let Some(event) = event else { return Ok(()) };
        drop(next);
        if let Some(id) = event.actor.and_then(|actor| actor.id) {
            if event.action.as_deref() == Some("destroy") {
                told.with(|told| told.remove_docker(&id));
            } else {
                look(told, docker, labels, id).await?;
            }
        }
        next = Box::pin(events.try_next());
    }
}

/// Asks how much each container has written.
async fn measure(told: &Shared, docker: &Docker) -> Result<(), Error> {
    let options = ListContainersOptions {
        size: true,
        ..ListContainersOptions::default()
    };
    let listed = docker.list_containers(Some(options)).await?;
    // A size of 0 is left out of the answer.
    let written =
        |container: ContainerSummary| Some((container.id?, container.size_rw.unwrap_or(0) as f64));
    let written = listed.into_iter().filter_map(written).collect();
    told.with(|told| told.docker_disk.written = written);
    Ok(())
}

async fn look(told: &Shared, docker: &Docker, labels: &[String], id: String) -> Result<(), Error> {
    match docker.inspect_container(&id, None).await {
        Ok(found) => {
            let container = from_inspect(found, labels);
            told.with(|told| told.apply_docker(id, container));
            Ok(())
        }
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => {
            told.with(|told| told.remove_docker(&id));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn from_inspect(found: ContainerInspectResponse, wanted: &[String]) -> DockerContainer {
    let config = found.config.unwrap_or_default();
    let mut given = config.labels.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let network = found
        .host_config
        .and_then(|host| host.network_mode)
        .unwrap_or_default();
    let run = state.started_at.clone().unwrap_or_default();
    let started = run
        .parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_second);
    let oom_killed = state.oom_killed.unwrap_or(false);
    let ended = match state.exit_code {
        _ if oom_killed => "OOMKilled",
        Some(0) => "Completed",
        _ => "Error",
    };
    let word = match state.status {
        Some(Status::RUNNING) => ("running", String::new()),
        Some(Status::PAUSED) => ("running", "Paused".to_owned()),
        Some(Status::RESTARTING) => ("waiting", "Restarting".to_owned()),
        Some(Status::CREATED) => ("waiting", "Created".to_owned()),
        _ => ("terminated", ended.to_owned()),
    };
    DockerContainer {
        name: found
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        image: config.image.unwrap_or_default(),
        labels: wanted
            .iter()
            .filter_map(|label| Some((label.clone(), given.remove(label)?)))
            .collect(),
        foreign_network: network == "host" || network.starts_with("container:"),
        // While it runs, its group counts the children that were killed.
        oom_killed: oom_killed && word.0 != "running",
        state: word,
        restarts: found.restart_count.unwrap_or(0) as f64,
        // The year 1: not started yet.
        started: started.filter(|at| *at > 0).map(|at| at as f64),
        run,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspected(text: &str) -> DockerContainer {
        from_inspect(serde_json::from_str(text).unwrap(), &["org.label".into()])
    }

    #[test]
    fn a_running_container_is_named_without_the_slash() {
        let found = inspected(
            r#"{"Name": "/web", "RestartCount": 2, "HostConfig": {"NetworkMode": "bridge"},
                "Config": {"Image": "nginx:1", "Labels": {"org.label": "a", "other": "b"}},
                "State": {"Status": "running", "OOMKilled": true, "ExitCode": 0,
                          "StartedAt": "2026-11-22T10:00:00.123456789Z"}}"#,
        );
        let expected = DockerContainer {
            name: "web".into(),
            image: "nginx:1".into(),
            labels: vec![("org.label".into(), "a".into())],
            foreign_network: false,
            state: ("running", String::new()),
            restarts: 2.0,
            started: Some(1_795_341_600.0),
            run: "2026-11-22T10:00:00.123456789Z".into(),
            oom_killed: false,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn an_ended_container_says_why() {
        let found = inspected(
            r#"{"Name": "/a", "HostConfig": {"NetworkMode": "host"}, "State":
                {"Status": "exited", "OOMKilled": true, "ExitCode": 137, "StartedAt": "0001-01-01T00:00:00Z"}}"#,
        );
        assert_eq!(found.state, ("terminated", "OOMKilled".to_owned()));
        assert!(found.oom_killed && found.foreign_network && found.started.is_none());
        let found = inspected(r#"{"State": {"Status": "exited", "ExitCode": 0}}"#);
        assert_eq!(found.state, ("terminated", "Completed".to_owned()));
        let found = inspected(r#"{"State": {"Status": "restarting", "ExitCode": 1}}"#);
        assert_eq!(found.state, ("waiting", "Restarting".to_owned()));
    }
}
