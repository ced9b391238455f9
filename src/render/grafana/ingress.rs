//! Grafana's Ingress and, with Traefik, the redirect from HTTP to HTTPS.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use kube::api::ApiResource;
use serde_json::json;

use super::{
    super::{
        flows, meta,
        objects::{Object, Objects, Stage},
    },
    COMPONENT,
};
use crate::resolve::model::{Grafana, HttpAnswer, Ingress as Wanted, Stack};

/// The names of Traefik's entry points, as its chart has them.
const HTTP: &str = "web";
const HTTPS: &str = "websecure";
const ENTRY_POINTS: &str = "traefik.ingress.kubernetes.io/router.entrypoints";
const ROUTER_TLS: &str = "traefik.ingress.kubernetes.io/router.tls";
const MIDDLEWARES: &str = "traefik.ingress.kubernetes.io/router.middlewares";

/// The objects, if Grafana is to be reached from outside.
pub fn objects(stack: &Stack, grafana: &Grafana) -> Objects {
    let mut objects = Objects::default();
    let Some(wanted) = &grafana.ingress else {
        return objects;
    };
    let name = stack.child_name(COMPONENT);
    let https_only = [(ENTRY_POINTS, HTTPS), (ROUTER_TLS, "true")];
    let extra: &[(&str, &str)] = match wanted.http {
        HttpAnswer::Same => &[],
        HttpAnswer::TraefikRedirect | HttpAnswer::Nothing => &https_only,
    };
    let main = ingress(stack, grafana, wanted, name, extra);
    objects.add(Stage::Network, &main);
    if wanted.http == HttpAnswer::TraefikRedirect {
        let name = redirect_name(stack);
        objects.add_untyped(middleware(stack, &name));
        let middleware = format!("{}-{name}@kubernetescrd", stack.namespace);
        let extra = [(ENTRY_POINTS, HTTP), (MIDDLEWARES, &middleware)];
        let mut redirect = ingress(stack, grafana, wanted, name, &extra);
        // Without the certificate: nothing is served there, and cert-manager is not asked twice.
        if let Some(spec) = &mut redirect.spec {
            spec.tls = None;
        }
        if let Some(annotations) = &mut redirect.metadata.annotations {
            annotations.retain(|name, _| !name.starts_with("cert-manager.io/"));
        }
        objects.add(Stage::Network, &redirect);
    }
    objects
}

fn redirect_name(stack: &Stack) -> String {
    format!("{}-redirect", stack.child_name(COMPONENT))
}

fn ingress(
    stack: &Stack,
    grafana: &Grafana,
    wanted: &Wanted,
    name: String,
    extra: &[(&str, &str)],
) -> Ingress {
    let mut annotations: BTreeMap<String, String> = extra
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    // What the user wrote goes before.
    annotations.extend(wanted.annotations.clone());
    let mut metadata = meta::owned(stack, COMPONENT, name);
    metadata.annotations = Some(annotations).filter(|annotations| !annotations.is_empty());
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class_name.clone(),
            rules: Some(vec![rule(stack, grafana, wanted)]),
            tls: wanted.tls_secret.clone().map(|secret| {
                vec![IngressTLS {
                    hosts: Some(vec![wanted.host.clone()]),
                    secret_name: Some(secret),
                }]
            }),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

fn rule(stack: &Stack, grafana: &Grafana, wanted: &Wanted) -> IngressRule {
    let path = match grafana.sub_path.as_str() {
        "" => "/",
        path => path,
    };
    IngressRule {
        host: Some(wanted.host.clone()),
        http: Some(HTTPIngressRuleValue {
            paths: vec![HTTPIngressPath {
                path: Some(path.to_owned()),
                path_type: "Prefix".into(),
                backend: IngressBackend {
                    service: Some(IngressServiceBackend {
                        name: stack.child_name(COMPONENT),
                        port: Some(ServiceBackendPort {
                            name: Some(flows::HTTP.into()),
                            number: None,
                        }),
                    }),
                    resource: None,
                },
            }],
        }),
    }
}

/// Traefik's kind of middleware.
#[must_use]
pub fn middlewares() -> ApiResource {
    ApiResource {
        group: "traefik.io".into(),
        version: "v1alpha1".into(),
        api_version: "traefik.io/v1alpha1".into(),
        kind: "Middleware".into(),
        plural: "middlewares".into(),
    }
}

fn middleware(stack: &Stack, name: &str) -> Object {
    let resource = middlewares();
    let metadata = meta::owned(stack, COMPONENT, name);
    Object {
        namespace: metadata.namespace.clone(),
        name: name.to_owned(),
        body: json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": metadata,
            "spec": {"redirectScheme": {"scheme": "https", "permanent": true}},
        })
        .into(),
        resource,
        stage: Stage::Network,
    }
}
