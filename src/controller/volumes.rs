//! Volumes that grow: the claims themselves are patched, since what makes them cannot change.

use std::collections::BTreeMap;

use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::StorageClass};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::error::{Error, code, words};
use crate::{
    api::component::Component,
    render::{
        meta::{COMPONENT_LABEL, INSTANCE_LABEL, MANAGER},
        objects::Object,
    },
    resolve::{model::Stack, problem::Problem, quantity::parse_bytes},
};

/// What came of looking at a stack's volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grown {
    /// How many claims were patched.
    pub writes: usize,
    /// Sizes that cannot be had.
    pub problems: Vec<Problem>,
}

/// Claims that should have a size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    component: Component,
    /// The claim's name, or what stands before the replica's number.
    name: String,
    numbered: bool,
    size: String,
}

/// What to do about one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Grow,
    Shrink,
}

/// Lets the claims of a stack grow to what was rendered, where their class allows it.
pub async fn grow(client: &Client, stack: &Stack, objects: &[Object]) -> Result<Grown, Error> {
    let wanted: Vec<Wanted> = objects.iter().flat_map(wanted).collect();
    let mut grown = Grown::default();
    if wanted.is_empty() {
        return Ok(grown);
    }
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &stack.namespace);
    let selector = format!("{INSTANCE_LABEL}={}", stack.name);
    let claims = api
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(Error::doing("list the volume claims"))?;
    let mut problems = BTreeMap::new();
    for claim in claims {
        let name = claim.metadata.name.clone().unwrap_or_default();
        let Some(wanted) = wanted.iter().find(|wanted| wanted.is(&name)) else {
            continue;
        };
        let refusal = match step(requested(&claim), &wanted.size) {
            Step::Nothing => continue,
            Step::Shrink => Some("a volume never shrinks: give back the old size".to_owned()),
            Step::Grow => match refusal(client, &claim).await? {
                None => match patch(&api, &name, &wanted.size).await {
                    Ok(()) => {
                        grown.writes += 1;
                        None
                    }
                    Err(error) => Some(words(&error)),
                },
                refusal => refusal,
            },
        };
        if let Some(refusal) = refusal {
            let field = format!("spec.{}.storage.size", wanted.component.field());
            let message = format!(
                "{} stays at its size: {refusal}",
                claim_words(&claim, &name)
            );
            problems.entry(field).or_insert(message);
        }
    }
    grown.problems = problems
        .into_iter()
        .map(|(field, message)| Problem::new(field, message))
        .collect();
    Ok(grown)
}

impl Wanted {
    fn is(&self, name: &str) -> bool {
        match name.strip_prefix(&self.name) {
            Some(number) if self.numbered => {
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
            }
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

/// The sizes that an object wants: its own, or those of the claims made from its templates.
fn wanted(object: &Object) -> Vec<Wanted> {
    let size = |claim: &Value| {
        let size = claim.pointer("/spec/resources/requests/storage");
        size.and_then(Value::as_str).map(str::to_owned)
    };
    let label = object.body.pointer("/metadata/labels");
    let component = label
        .and_then(|labels| labels.get(COMPONENT_LABEL)?.as_str())
        .and_then(Component::from_name);
    let Some(component) = component else {
        return Vec::new();
    };
    let one = |claim: &Value, name: String, numbered: bool| {
        size(claim).map(|size| Wanted {
            component,
            name,
            numbered,
            size,
        })
    };
    match object.resource.kind.as_str() {
        "PersistentVolumeClaim" => one(&object.body, object.name.clone(), false)
            .into_iter()
            .collect(),
        "StatefulSet" => {
            let templates = object.body.pointer("/spec/volumeClaimTemplates");
            let templates = templates.and_then(Value::as_array).into_iter().flatten();
            templates
                .filter_map(|template| {
                    let name = template.pointer("/metadata/name")?.as_str()?;
                    one(template, format!("{name}-{}-", object.name), true)
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let resources = claim.spec.as_ref()?.resources.as_ref()?;
    Some(resources.requests.as_ref()?.get("storage")?.0.as_str())
}

fn step(has: Option<&str>, wanted: &str) -> Step {
    let (Some(has), Some(wanted)) = (has.and_then(parse_bytes), parse_bytes(wanted)) else {
        return Step::Nothing;
    };
    match wanted.cmp(&has) {
        std::cmp::Ordering::Equal => Step::Nothing,
        std::cmp::Ordering::Greater => Step::Grow,
        std::cmp::Ordering::Less => Step::Shrink,
    }
}

/// Why a claim cannot grow, by its class; none when it can. Asked first, since a patch that is
/// refused would be tried again and again.
async fn refusal(client: &Client, claim: &PersistentVolumeClaim) -> Result<Option<String>, Error> {
    let class = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref())
        .filter(|class| !class.is_empty());
    let Some(class) = class else {
        return Ok(Some("cannot grow: it has no StorageClass".into()));
    };
    let api: Api<StorageClass> = Api::all(client.clone());
    match api.get(class).await {
        Ok(found) if found.allow_volume_expansion == Some(true) => Ok(None),
        Ok(_) => Ok(Some(format!(
            "cannot grow: StorageClass {class} does not allow expansion"
        ))),
        Err(error) if code(&error) == Some(404) => Ok(Some(format!(
            "cannot grow: its StorageClass {class} is gone"
        ))),
        Err(error) if code(&error) == Some(403) => Ok(Some(format!(
            "the operator may not read StorageClass {class}: grow the claim with `kubectl edit`"
        ))),
        Err(error) => Err(Error::doing(format!("read StorageClass {class}"))(error)),
    }
}

async fn patch(api: &Api<PersistentVolumeClaim>, name: &str, size: &str) -> kube::Result<()> {
    let body = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    let params = PatchParams {
        field_manager: Some(MANAGER.into()),
        ..PatchParams::default()
    };
    tracing::info!(claim = name, size, "volume grows");
    api.patch(name, &params, &Patch::Merge(body))
        .await
        .map(|_| ())
}

fn claim_words(claim: &PersistentVolumeClaim, name: &str) -> String {
    match requested(claim) {
        Some(size) => format!("PersistentVolumeClaim {name} ({size})"),
        None => format!("PersistentVolumeClaim {name}"),
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ApiResource;

    use super::*;
    use crate::render::objects::Stage;

    fn object(kind: &str, name: &str, spec: &Value) -> Object {
        Object {
            resource: ApiResource {
                group: String::new(),
                version: "v1".into(),
                api_version: "v1".into(),
                kind: kind.into(),
                plural: String::new(),
            },
            namespace: Some("ns".into()),
            name: name.into(),
            stage: Stage::Workload,
            body: json!({"metadata": {"labels": {COMPONENT_LABEL: "loki"}}, "spec": spec}).into(),
        }
    }

    #[test]
    fn a_stateful_set_wants_the_sizes_of_its_replicas_claims() {
        let spec = json!({"volumeClaimTemplates": [
            {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "2Gi"}}}},
        ]});
        let wanted = wanted(&object("StatefulSet", "main-loki", &spec));
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[0].size, "2Gi");
        assert_eq!(wanted[0].component, Component::Loki);
        for (name, is) in [
            ("data-main-loki-0", true),
            ("data-main-loki-12", true),
            ("data-main-loki-", false),
            ("data-main-loki-x", false),
            ("data-main-loki-0-1", false),
            ("data-other-loki-0", false),
        ] {
            assert_eq!(wanted[0].is(name), is, "{name}");
        }
    }

    #[test]
    fn a_claim_wants_its_own_size() {
        let spec = json!({"resources": {"requests": {"storage": "1Gi"}}});
        let wanted = wanted(&object("PersistentVolumeClaim", "main-grafana", &spec));
        assert!(wanted[0].is("main-grafana"));
        assert!(!wanted[0].is("main-grafana-0"));
        assert!(super::wanted(&object("Service", "main-grafana", &spec)).is_empty());
    }

    #[test]
    fn sizes_are_compared_by_value() {
        assert_eq!(step(Some("1Gi"), "1024Mi"), Step::Nothing);
        assert_eq!(step(Some("1Gi"), "2Gi"), Step::Grow);
        assert_eq!(step(Some("2Gi"), "1Gi"), Step::Shrink);
        assert_eq!(step(None, "1Gi"), Step::Nothing);
    }
}
