//! `spec.dashboards.ingress`: how Grafana is reached from outside of the cluster.

use std::collections::BTreeMap;

use super::Own;
use crate::{
    api::dashboards::{IngressSpec, IngressTls, IssuerKind},
    resolve::{
        Inputs,
        model::{HttpAnswer, Ingress},
        problem::Problem,
    },
};

const REDIRECT: &str = "spec.dashboards.ingress.redirectToHttps";

/// Resolves the Ingress.
pub fn resolve(
    spec: &IngressSpec,
    own: Own<'_>,
    inputs: &Inputs,
    problems: &mut Vec<Problem>,
) -> Ingress {
    let mut annotations: BTreeMap<_, _> = spec
        .annotations
        .iter()
        .map(|(name, value)| (name.clone(), value.0.clone()))
        .collect();
    let class_name = spec.class_name.as_ref().map(|name| name.0.clone());
    let tls_secret = spec.tls.as_ref().map(|tls| {
        annotations.extend(issuer(tls));
        match &tls.secret_ref {
            Some(secret) => secret.name.0.clone(),
            None => format!("{}-grafana-tls", own.name),
        }
    });
    let wants_redirect = tls_secret.is_some() && spec.redirect_to_https.unwrap_or(true);
    if spec.redirect_to_https == Some(true) && tls_secret.is_none() {
        problems.push(Problem::new(
            REDIRECT,
            "needs tls: there is no HTTPS to redirect to",
        ));
    }
    let http = if wants_redirect {
        http_answer(class_name.as_deref(), inputs, problems)
    } else {
        HttpAnswer::Same
    };
    Ingress {
        host: spec.host.clone(),
        class_name,
        tls_secret,
        http,
        annotations,
    }
}

/// The address that the Ingress gives.
pub fn address(ingress: &Ingress) -> String {
    let scheme = if ingress.tls_secret.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{}/", ingress.host)
}

/// The annotation by which cert-manager knows that it is asked.
fn issuer(tls: &IngressTls) -> Option<(String, String)> {
    let issuer = tls.issuer_ref.as_ref()?;
    let annotation = match issuer.kind {
        IssuerKind::Issuer => "cert-manager.io/issuer",
        IssuerKind::ClusterIssuer => "cert-manager.io/cluster-issuer",
    };
    Some((annotation.to_owned(), issuer.name.0.clone()))
}

/// An Ingress itself knows no redirect: what there is depends on who serves it.
fn http_answer(class: Option<&str>, inputs: &Inputs, problems: &mut Vec<Problem>) -> HttpAnswer {
    let is = |name: &str| class.is_some_and(|class| class.contains(name));
    if inputs.server.traefik && (class.is_none() || is("traefik")) {
        return HttpAnswer::TraefikRedirect;
    }
    if is("traefik") {
        problems.push(Problem::new(
            REDIRECT,
            "this cluster does not serve Traefik's Middlewares (traefik.io/v1alpha1), which redirect: \
             by HTTP there is no answer; install Traefik's CRDs, or redirect its entry point web to websecure",
        ));
        return HttpAnswer::Nothing;
    }
    // ingress-nginx redirects by itself wherever there is a certificate.
    if !is("nginx") {
        problems.push(Problem::new(
            REDIRECT,
            "an Ingress itself cannot redirect, so whether HTTP is redirected is up to the ingress \
             controller: see to it there and set this to false, or use Traefik",
        ));
    }
    HttpAnswer::Same
}
