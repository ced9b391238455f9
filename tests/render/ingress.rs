//! Grafana from outside of the cluster.

use k8s_openapi::api::{apps::v1::Deployment, networking::v1::Ingress};
use masthead::resolve::model::{HttpAnswer, Ingress as Wanted, Stack};

use crate::{stack, view};

fn with(http: HttpAnswer) -> Stack {
    let mut stack = stack::minimal();
    let grafana = stack.grafana.as_mut().unwrap();
    grafana.root_url = Some("https://example.org/grafana/".into());
    grafana.sub_path = "/grafana".into();
    grafana.anonymous_viewer = true;
    grafana.ingress = Some(Wanted {
        host: "example.org".into(),
        class_name: Some("traefik".into()),
        tls_secret: Some("main-grafana-tls".into()),
        http,
        annotations: [(
            "cert-manager.io/issuer".to_owned(),
            "letsencrypt".to_owned(),
        )]
        .into(),
    });
    stack
}

#[test]
fn traefik_redirects_by_a_middleware_of_the_stack() {
    let stack = with(HttpAnswer::TraefikRedirect);
    let main: Ingress = view::get(&stack, "Ingress", "main-grafana");
    let annotations = main.metadata.annotations.unwrap();
    assert_eq!(
        annotations["traefik.ingress.kubernetes.io/router.entrypoints"],
        "websecure"
    );
    assert_eq!(annotations["cert-manager.io/issuer"], "letsencrypt");
    let spec = main.spec.unwrap();
    assert_eq!(
        spec.tls.unwrap()[0].secret_name.as_deref(),
        Some("main-grafana-tls")
    );
    let redirect: Ingress = view::get(&stack, "Ingress", "main-grafana-redirect");
    let annotations = redirect.metadata.annotations.unwrap();
    assert_eq!(
        annotations["traefik.ingress.kubernetes.io/router.middlewares"],
        "monitoring-main-grafana-redirect@kubernetescrd"
    );
    assert_eq!(annotations.get("cert-manager.io/issuer"), None);
    assert_eq!(redirect.spec.unwrap().tls, None);
    let middleware = view::find(&stack, "Middleware", "main-grafana-redirect").unwrap();
    assert_eq!(middleware.body["spec"]["redirectScheme"]["scheme"], "https");
    assert_eq!(
        middleware.body["metadata"]["ownerReferences"][0]["kind"],
        "MonitoringStack"
    );
}

#[test]
fn without_middlewares_http_leads_nowhere_or_is_left_to_the_controller() {
    for (http, entry_points) in [
        (HttpAnswer::Nothing, Some("websecure")),
        (HttpAnswer::Same, None),
    ] {
        let stack = with(http);
        let main: Ingress = view::get(&stack, "Ingress", "main-grafana");
        let annotations = main.metadata.annotations.unwrap();
        let found = annotations.get("traefik.ingress.kubernetes.io/router.entrypoints");
        assert_eq!(found.map(String::as_str), entry_points);
        assert!(view::find(&stack, "Middleware", "main-grafana-redirect").is_none());
    }
}

#[test]
fn below_a_path_everybody_asks_below_it() {
    let stack = with(HttpAnswer::Same);
    let deployment: Deployment = view::get(&stack, "Deployment", "main-grafana");
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    let container = &pod.containers[0];
    let probe = container
        .readiness_probe
        .as_ref()
        .unwrap()
        .http_get
        .as_ref()
        .unwrap();
    assert_eq!(probe.path.as_deref(), Some("/grafana/api/health"));
    let env = |name: &str| {
        let env = container.env.iter().flatten().find(|env| env.name == name);
        env.and_then(|env| env.value.clone())
    };
    assert_eq!(
        env("GF_SERVER_ROOT_URL").as_deref(),
        Some("https://example.org/grafana/")
    );
    assert_eq!(
        env("GF_SERVER_SERVE_FROM_SUB_PATH").as_deref(),
        Some("true")
    );
    assert_eq!(env("GF_AUTH_ANONYMOUS_ORG_ROLE").as_deref(), Some("Viewer"));
    assert_eq!(
        env("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH").as_deref(),
        Some("/etc/grafana/dashboards/shipped/masthead-overview.json")
    );
    let ingress: Ingress = view::get(&stack, "Ingress", "main-grafana");
    let rule = &ingress.spec.unwrap().rules.unwrap()[0];
    assert_eq!(
        rule.http.as_ref().unwrap().paths[0].path.as_deref(),
        Some("/grafana")
    );
    let prometheus = view::config(&stack, "main-prometheus", "prometheus.yml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    let job = jobs
        .iter()
        .find(|job| job["job_name"] == "grafana")
        .unwrap();
    assert_eq!(job["metrics_path"], "/grafana/metrics");
}
