//! `masthead_container_*`: what a container does, also when there is no group to read. An alert on
//! a container that is down needs a series that is there while it is down.

use super::pod::Container;
use super::text::Kind::{Counter, Gauge};
use super::text::{Labels, Text};
use super::told::Told;

/// One container's state.
struct Shown<'a> {
    labels: Labels,
    state: &'a (&'static str, String),
    restarts: f64,
}

/// Writes the families, in the order of the containers' names.
pub fn write(told: &Told, most: usize, out: &mut Text) {
    let mut pods: Vec<_> = told.all_pods().collect();
    pods.sort_by_key(|pod| (&pod.namespace, &pod.name));
    let of_pods = pods.iter().flat_map(|pod| {
        let shown = pod
            .containers
            .iter()
            .filter(|container| !has_prepared(container));
        shown.map(|container| Shown {
            labels: Labels::default()
                .with("container", &container.name)
                .with("namespace", &pod.namespace)
                .with("pod", &pod.name),
            state: &container.state,
            restarts: container.restarts,
        })
    });
    let mut docker: Vec<_> = told.docker.values().collect();
    docker.sort_by_key(|container| &container.name);
    let of_docker = docker.iter().map(|container| Shown {
        labels: Labels::default().with("name", &container.name),
        state: &container.state,
        restarts: container.restarts,
    });
    let states: Vec<Shown<'_>> = of_pods.chain(of_docker).take(most).collect();

    let help = "Always 1: what the container does, running, waiting or terminated, and why.";
    let mut family = out.family("masthead_container_state", Gauge, help);
    for Shown {
        labels,
        state: (word, reason),
        ..
    } in &states
    {
        let labels = labels.clone().with("reason", reason).with("state", word);
        family.sample(&labels, &[], 1.0);
    }
    let help = "How often the container was started again.";
    let mut family = out.family("masthead_container_restarts_total", Counter, help);
    for Shown {
        labels, restarts, ..
    } in &states
    {
        family.sample(labels, &[], *restarts);
    }
}

/// A container that prepared its pod has ended for good, and nothing is down.
pub fn has_prepared(container: &Container) -> bool {
    container.init && container.state.0 == "terminated" && container.state.1 == "Completed"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::container::pod::Pod;
    use crate::agent::container::told::DockerContainer;

    #[test]
    fn a_container_that_waits_is_told_with_its_reason_and_restarts() {
        let mut told = Told::default();
        let container = |name: &str, init, state: (&'static str, &str)| Container {
            name: name.into(),
            init,
            state: (state.0, state.1.into()),
            restarts: 4.0,
            ..Container::default()
        };
        told.apply(Pod {
            uid: "u".into(),
            namespace: "shop".into(),
            name: "web-1".into(),
            containers: vec![
                container("prepare", true, ("terminated", "Completed")),
                container("web", false, ("waiting", "CrashLoopBackOff")),
            ],
            ..Pod::default()
        });
        let docker = DockerContainer {
            name: "db".into(),
            state: ("running", String::new()),
            ..DockerContainer::default()
        };
        told.apply_docker("d".into(), docker);
        let mut out = Text::default();
        write(&told, 10, &mut out);
        let text = out.finish();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let web = "container=\"web\",namespace=\"shop\",pod=\"web-1\"";
        assert_eq!(
            samples,
            [
                &format!(
                    "masthead_container_state{{{web},reason=\"CrashLoopBackOff\",state=\"waiting\"}} 1"
                ),
                "masthead_container_state{name=\"db\",state=\"running\"} 1",
                &format!("masthead_container_restarts_total{{{web}}} 4"),
                "masthead_container_restarts_total{name=\"db\"} 0",
            ]
        );
    }
}
