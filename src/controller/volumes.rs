//! Volumes that grow, and that go with their stack: the claims themselves are patched, since what
//! makes them cannot change.

use std::collections::BTreeMap;

use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::StorageClass};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    error::{Error, code, words},
    owner,
};
use crate::{
    api::{GROUP, VERSION, component::Component, value::WhenDeleted},
    render::{
        meta::{COMPONENT_LABEL, INSTANCE_LABEL, MANAGER},
        objects::Object,
    },
    resolve::{model::Stack, problem::Problem, quantity::parse_bytes},
};

/// What came of looking at a stack's volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// How many times a claim was patched.
    pub writes: usize,
    /// What cannot be had, by field.
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

/// What to do about one claim's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Grow,
    Shrink,
}

/// What came of one claim.
enum Done {
    /// It is as it should be.
    Nothing,
    Written,
    /// It stays as it is, and why.
    Refused(String),
}

/// Lets the claims of a stack grow to what was rendered, where their class allows it, and binds
/// them to the stack where they are to go with it.
pub async fn tend(client: &Client, stack: &Stack, objects: &[Object]) -> Result<Tended, Error> {
    let wanted: Vec<Wanted> = objects.iter().flat_map(wanted).collect();
    let mut tended = Tended::default();
    if wanted.is_empty() {
        return Ok(tended);
    }
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &stack.namespace);
    let selector = format!("{INSTANCE_LABEL}={}", stack.name);
    let claims = api
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(Error::doing("list the volume claims"))?;
    let mut problems = BTreeMap::new();
    for claim in claims {
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let Some(wanted) = wanted.iter().find(|wanted| wanted.is(name)) else {
            continue;
        };
        let size = grow(client, &api, &claim, &wanted.size).await?;
        let owner = own(&api, stack, wanted.component, &claim).await;
        let told = [
            ("size", "stays at its size", size),
            ("whenDeleted", "stays as it is", owner),
        ];
        for (field, what, done) in told {
            match done {
                Done::Nothing => {}
                Done::Written => tended.writes += 1,
                Done::Refused(why) => {
                    let field = format!("spec.{}.storage.{field}", wanted.component.field());
                    let message = format!("{} {what}: {why}", claim_words(&claim, name));
                    problems.entry(field).or_insert(message);
                }
            }
        }
    }
    tended.problems = problems
        .into_iter()
        .map(|(field, message)| Problem::new(field, message))
        .collect();
    Ok(tended)
}

async fn grow(
    client: &Client,
    api: &Api<PersistentVolumeClaim>,
    claim: &PersistentVolumeClaim,
    size: &str,
) -> Result<Done, Error> {
    match step(requested(claim), size) {
        Step::Nothing => return Ok(Done::Nothing),
        Step::Shrink => {
            let why = "a volume never shrinks: give back the old size";
            return Ok(Done::Refused(why.into()));
        }
        Step::Grow => {}
    }
    if let Some(why) = refusal(client, claim).await? {
        return Ok(Done::Refused(why));
    }
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    tracing::info!(claim = name, size, "volume grows");
    let body = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    Ok(patch(api, name, &Patch::Merge(body)).await)
}

/// Makes the stack an owner of the claim, or takes that back, as `storage.whenDeleted` says: then
/// the claim goes with the stack, and with nothing else. (A StatefulSet's own policy would let it
/// go when the component is switched off, and servers before 1.27 know none.)
async fn own(
    api: &Api<PersistentVolumeClaim>,
    stack: &Stack,
    component: Component,
    claim: &PersistentVolumeClaim,
) -> Done {
    let volume = stack.workload(component).and_then(|it| it.volume.as_ref());
    let wants = volume.is_some_and(|volume| volume.when_deleted == WhenDeleted::Delete);
    if wants == owner::belongs(stack, &claim.metadata) {
        return Done::Nothing;
    }
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    tracing::info!(
        claim = name,
        goes = wants,
        "what becomes of a volume with its stack"
    );
    let reference = if wants {
        json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "MonitoringStack",
            "name": stack.name, "uid": stack.uid,
        })
    } else {
        json!({"$patch": "delete", "uid": stack.uid})
    };
    // Other owners stay: lists are merged by uid in this kind of patch.
    let body = json!({"metadata": {"ownerReferences": [reference]}});
    patch(api, name, &Patch::Strategic(body)).await
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

async fn patch(api: &Api<PersistentVolumeClaim>, name: &str, body: &Patch<Value>) -> Done {
    let params = PatchParams {
        field_manager: Some(MANAGER.into()),
        ..PatchParams::default()
    };
    match api.patch(name, &params, body).await {
        Ok(_) => Done::Written,
        // It went meanwhile.
        Err(error) if code(&error) == Some(404) => Done::Nothing,
        Err(error) => Done::Refused(words(&error)),
    }
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
