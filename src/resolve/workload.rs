//! What every component has in common: image, replicas, resources, volume, placement.

use std::collections::BTreeMap;

use super::{
    image,
    model::{ContainerResources, Volume, Workload},
    problem::Problem,
    quantity,
};
use crate::api::{
    component::Component,
    defaults,
    value::{Amounts, ImageReference, ImageVersion, Resources, Scheduling, Storage},
};

/// The fields that every component's specification has.
pub struct Common<'a> {
    /// Which component.
    pub component: Component,
    /// `image`.
    pub image: Option<&'a ImageReference>,
    /// `version`.
    pub version: Option<&'a ImageVersion>,
    /// `replicas`.
    pub replicas: Option<i32>,
    /// `resources`.
    pub resources: Option<&'a Resources>,
    /// `storage`.
    pub storage: Option<&'a Storage>,
    /// `spec.scheduling`.
    pub scheduling: Option<&'a Scheduling>,
}

impl Common<'_> {
    /// The workload, or the first thing that is wrong with it.
    pub fn resolve(&self) -> Result<Workload, Problem> {
        let (image, version) = image::resolve(
            self.component,
            self.image.map(|image| image.0.as_str()),
            self.version.map(|version| version.0.as_str()),
        )?;
        let scheduling = self.scheduling.cloned().unwrap_or_default();
        Ok(Workload {
            image,
            version,
            replicas: self.replicas()?,
            resources: resources(self.component, self.resources)?,
            volume: volume(self.component, self.storage)?,
            node_selector: scheduling
                .node_selector
                .into_iter()
                .map(|(key, value)| (key, value.0))
                .collect(),
            tolerations: scheduling.tolerations,
            priority_class_name: scheduling.priority_class_name.map(|name| name.0),
        })
    }

    fn replicas(&self) -> Result<i32, Problem> {
        match self.replicas.unwrap_or(1) {
            replicas @ 1..=5 => Ok(replicas),
            other => Err(Problem::new(
                format!("spec.{}.replicas", self.component.field()),
                format!("{other} is out of range: write 1 to 5"),
            )),
        }
    }
}

/// The resources: each amount the user gives replaces the default one.
pub fn resources(
    component: Component,
    given: Option<&Resources>,
) -> Result<ContainerResources, Problem> {
    let field = format!("spec.{}.resources", component.field());
    let defaults = defaults::of(component);
    let part = |part: fn(&Resources) -> Option<&Amounts>| given.and_then(part);
    let mut limits = amounts(
        &format!("{field}.limits"),
        part(|given| given.limits.as_ref()),
    )?;
    let mut requests = amounts(
        &format!("{field}.requests"),
        part(|given| given.requests.as_ref()),
    )?;
    limits
        .entry("memory".into())
        .or_insert_with(|| defaults.memory_limit.into());
    // A limit below the default request lowers the request, else every small limit needs two fields.
    let limit = limits.get("memory").cloned().unwrap_or_default();
    requests.entry("memory".into()).or_insert_with(|| {
        if quantity::parse_milli(&limit) < quantity::parse_milli(defaults.memory_request) {
            limit
        } else {
            defaults.memory_request.into()
        }
    });
    for (name, request) in &requests {
        let limit = limits.get(name);
        if limit.is_some_and(|limit| quantity::parse_milli(request) > quantity::parse_milli(limit))
        {
            return Err(Problem::new(
                format!("{field}.requests.{name}"),
                format!(
                    "{request} is more than the limit {}",
                    limit.map_or("", String::as_str)
                ),
            ));
        }
    }
    Ok(ContainerResources { requests, limits })
}

fn amounts(field: &str, given: Option<&Amounts>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(given) = given else {
        return Ok(BTreeMap::new());
    };
    let named = [("cpu", &given.cpu), ("memory", &given.memory)];
    named
        .into_iter()
        .filter_map(|(name, amount)| Some((name, amount.as_ref()?)))
        .map(|(name, amount)| match quantity::parse_milli(&amount.0) {
            Some(1..) => Ok((name.to_owned(), amount.0.clone())),
            _ => Err(Problem::new(
                format!("{field}.{name}"),
                format!(
                    "{:?} is not an amount: write such as 500m or 256Mi",
                    amount.0
                ),
            )),
        })
        .collect()
}

fn volume(component: Component, given: Option<&Storage>) -> Result<Option<Volume>, Problem> {
    let Some(default) = defaults::of(component).volume else {
        return Ok(None);
    };
    let given = given.cloned().unwrap_or_default();
    let size = given.size.map_or_else(|| default.to_owned(), |size| size.0);
    if quantity::parse_bytes(&size).is_none_or(|bytes| bytes < MIN_VOLUME_BYTES) {
        return Err(Problem::new(
            format!("spec.{}.storage.size", component.field()),
            format!("{size:?} is no size for a volume: write such as 20Gi, 16Mi at least"),
        ));
    }
    Ok(Some(Volume {
        size,
        storage_class_name: given.storage_class_name.map(|name| name.0),
        when_deleted: given.when_deleted.unwrap_or_default(),
    }))
}

/// Below this not even an empty store starts.
const MIN_VOLUME_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::{Common, resources};
    use crate::api::{
        component::Component,
        value::{Amounts, Quantity, Resources, Storage},
    };

    fn memory(request: Option<&str>, limit: Option<&str>) -> Resources {
        let amounts = |memory: Option<&str>| {
            memory.map(|memory| Amounts {
                cpu: None,
                memory: Some(Quantity(memory.into())),
            })
        };
        Resources {
            requests: amounts(request),
            limits: amounts(limit),
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let found = resources(Component::Prometheus, None).unwrap();
        assert_eq!(found.requests["memory"], "256Mi");
        assert_eq!(found.limits["memory"], "512Mi");
        assert!(!found.limits.contains_key("cpu"));
    }

    #[test]
    fn a_limit_below_the_default_request_lowers_the_request() {
        let found = resources(Component::Loki, Some(&memory(None, Some("100Mi")))).unwrap();
        assert_eq!(found.requests["memory"], "100Mi");
    }

    #[test]
    fn a_request_above_the_limit_names_both() {
        let problem =
            resources(Component::Loki, Some(&memory(Some("1Gi"), Some("100Mi")))).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "spec.logs.resources.requests.memory: 1Gi is more than the limit 100Mi"
        );
    }

    #[test]
    fn a_size_that_is_none_names_the_field() {
        let storage = Storage {
            size: Some(Quantity("lots".into())),
            ..Storage::default()
        };
        let common = Common {
            component: Component::Grafana,
            image: None,
            version: None,
            replicas: None,
            resources: None,
            storage: Some(&storage),
            scheduling: None,
        };
        assert_eq!(
            common.resolve().unwrap_err().field,
            "spec.dashboards.storage.size"
        );
    }
}
