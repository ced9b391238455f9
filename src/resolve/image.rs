//! Which image runs, and the version it is rendered for.

mod reference;

use super::{model::Version, problem::Problem};
use crate::api::{component::Component, defaults};

/// The oldest version of a component that the rendered configuration is valid for.
const fn oldest(component: Component) -> (u32, u32, u32) {
    match component {
        Component::Prometheus | Component::Loki => (3, 0, 0),
        Component::Alertmanager => (0, 27, 0),
        Component::Grafana => (11, 0, 0),
        Component::Agent => (0, 0, 0),
    }
}

/// The image and version of a component, from what the user gave of the two.
pub fn resolve(
    component: Component,
    image: Option<&str>,
    version: Option<&str>,
) -> Result<(String, Version), Problem> {
    let defaults = defaults::of(component);
    let field = |name: &str| format!("spec.{}.{name}", component.field());
    let given = version
        .map(|text| {
            Version::parse(text).ok_or_else(|| {
                let example = defaults.version;
                Problem::new(
                    field("version"),
                    format!("{text:?} is not a version: write three numbers, such as {example}"),
                )
            })
        })
        .transpose()?;
    if let Some(image) = image.filter(|image| !reference::is_valid(image)) {
        return Err(Problem::new(
            field("image"),
            format!(
                "{image:?} is not an image reference: write such as {}:{}{}",
                defaults.repository, defaults.tag_prefix, defaults.version
            ),
        ));
    }
    let (image, version) = match (image, given) {
        (Some(image), Some(version)) => (image.to_owned(), version),
        (Some(image), None) => {
            let version = tag(image).and_then(Version::parse).ok_or_else(|| {
                Problem::new(
                    field("image"),
                    format!(
                        "the tag of {image:?} does not tell a version: set {}",
                        field("version")
                    ),
                )
            })?;
            (image.to_owned(), version)
        }
        (None, given) => {
            let version = given
                .or_else(|| Version::parse(defaults.version))
                .unwrap_or_default();
            let tag = format!("{}{}", defaults.tag_prefix, version.text);
            (format!("{}:{tag}", defaults.repository), version)
        }
    };
    let (major, minor, patch) = oldest(component);
    if !version.at_least(major, minor, patch) {
        return Err(Problem::new(
            field("version"),
            format!(
                "{} is too old: {major}.{minor}.{patch} or newer is needed",
                version.text
            ),
        ));
    }
    Ok((image, version))
}

/// The tag of an image reference, if it has one.
fn tag(image: &str) -> Option<&str> {
    let name = image.split_once('@').map_or(image, |(name, _digest)| name);
    let last = name.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::{resolve, tag};
    use crate::api::component::Component;

    #[test]
    fn nothing_given_is_the_default_image() {
        let (image, version) = resolve(Component::Prometheus, None, None).unwrap();
        assert_eq!(image, "quay.io/prometheus/prometheus:v3.14.0");
        assert!(version.at_least(3, 14, 0));
    }

    #[test]
    fn a_version_alone_picks_the_tag() {
        let (image, _) = resolve(Component::Loki, None, Some("3.6.1")).unwrap();
        assert_eq!(image, "docker.io/grafana/loki:3.6.1");
    }

    #[test]
    fn the_tag_of_an_image_tells_its_version() {
        let image = "registry:5000/prom/prometheus:v3.5.3-debian";
        let (_, version) = resolve(Component::Prometheus, Some(image), None).unwrap();
        assert_eq!((version.major, version.minor, version.patch), (3, 5, 3));
    }

    #[test]
    fn an_image_whose_tag_tells_no_version_needs_one() {
        for image in [
            "prom/prometheus",
            "prom/prometheus:latest",
            &format!("host:5000/p@sha256:{}", "0a".repeat(32)),
        ] {
            let problem = resolve(Component::Prometheus, Some(image), None).unwrap_err();
            assert_eq!(problem.field, "spec.metrics.image");
            assert!(
                problem.message.contains("set spec.metrics.version"),
                "{problem}"
            );
            assert!(resolve(Component::Prometheus, Some(image), Some("3.5.0")).is_ok());
        }
    }

    #[test]
    fn a_version_that_is_too_old_is_refused_with_the_oldest_one() {
        let problem = resolve(Component::Prometheus, None, Some("2.53.0")).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "spec.metrics.version: 2.53.0 is too old: 3.0.0 or newer is needed"
        );
    }

    #[test]
    fn what_no_kubelet_can_read_names_the_field_and_a_good_one() {
        let problem =
            resolve(Component::Loki, Some("grafana/loki: 3.7.6"), Some("3.7.6")).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "spec.logs.image: \"grafana/loki: 3.7.6\" is not an image reference: write such as docker.io/grafana/loki:3.7.6"
        );
    }

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(tag("host:5000/prometheus"), None);
        assert_eq!(tag("host:5000/prometheus:v1@sha256:0"), Some("v1"));
    }
}
