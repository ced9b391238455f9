//! Volumes and their mounts, and the claims that outlive a pod.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource,
        PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource,
        ProjectedVolumeSource, SecretVolumeSource, Volume, VolumeMount, VolumeProjection,
        VolumeResourceRequirements,
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

use super::meta;
use crate::{
    api::component::Component,
    resolve::model::{self, Stack},
};

/// The name of the volume that keeps a component's data.
pub const DATA: &str = "data";

/// Secrets may be read by the pod's group only, to which `fsGroup` gives the files.
const SECRET_MODE: i32 = 0o440;

/// The files of a `ConfigMap`. An optional one may appear while the pod runs.
#[must_use]
pub fn config_map(name: &str, config_map: impl Into<String>, optional: bool) -> Volume {
    Volume {
        name: name.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.into(),
            optional: optional.then_some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The files of several `ConfigMaps` in one directory; each may appear while the pod runs.
#[must_use]
pub fn config_maps(name: &str, config_maps: impl Iterator<Item = String>) -> Volume {
    let sources = config_maps
        .map(|name| VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name,
                optional: Some(true),
                ..ConfigMapProjection::default()
            }),
            ..VolumeProjection::default()
        })
        .collect();
    Volume {
        name: name.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// The values of a Secret as files, which may appear while the pod runs.
#[must_use]
pub fn optional_secret(name: &str, secret: impl Into<String>) -> Volume {
    Volume {
        name: name.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.into()),
            optional: Some(true),
            default_mode: Some(SECRET_MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// An empty directory that goes with the pod.
#[must_use]
pub fn empty_dir(name: &str) -> Volume {
    Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

/// A directory of the node.
#[must_use]
pub fn host_path(name: &str, path: &str) -> Volume {
    Volume {
        name: name.into(),
        host_path: Some(HostPathVolumeSource {
            path: path.into(),
            ..HostPathVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A directory of the node, made where it is missing.
#[must_use]
pub fn host_path_made(name: &str, path: &str) -> Volume {
    Volume {
        name: name.into(),
        host_path: Some(HostPathVolumeSource {
            path: path.into(),
            type_: Some("DirectoryOrCreate".into()),
        }),
        ..Volume::default()
    }
}

/// A claim that is an object of its own.
#[must_use]
pub fn claimed(name: &str, claim: impl Into<String>) -> Volume {
    Volume {
        name: name.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.into(),
            ..PersistentVolumeClaimVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A mount that may be written.
#[must_use]
pub fn mount(name: &str, path: impl Into<String>) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        ..VolumeMount::default()
    }
}

/// A mount that may be read.
#[must_use]
pub fn read_only(name: &str, path: impl Into<String>) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    }
}

/// The claim of each replica. A StatefulSet's template never changes, so it carries only the
/// labels that never do.
#[must_use]
pub fn claim_template(
    stack: &Stack,
    component: Component,
    volume: &model::Volume,
) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(DATA.into()),
            labels: Some(meta::selector(stack, component)),
            ..ObjectMeta::default()
        },
        spec: Some(claim_spec(volume)),
        ..PersistentVolumeClaim::default()
    }
}

/// The one claim of a component. Without an owner it outlives the stack, and a stack of the same
/// name finds it again; the controller makes the stack its owner if it is to go with it.
#[must_use]
pub fn claim(stack: &Stack, component: Component, volume: &model::Volume) -> PersistentVolumeClaim {
    PersistentVolumeClaim {
        metadata: meta::kept(stack, component, stack.child_name(component)),
        spec: Some(claim_spec(volume)),
        ..PersistentVolumeClaim::default()
    }
}

fn claim_spec(volume: &model::Volume) -> PersistentVolumeClaimSpec {
    let size = BTreeMap::from([("storage".to_owned(), Quantity(volume.size.clone()))]);
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".into()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some(size),
            ..VolumeResourceRequirements::default()
        }),
        storage_class_name: volume.storage_class_name.clone(),
        ..PersistentVolumeClaimSpec::default()
    }
}
