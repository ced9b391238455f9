//! `Probe`: a prober that looks at addresses or Ingresses.

use super::{
    Translation,
    copies::Copies,
    objects::Foreign,
    read::read,
    relabel, search,
    settings::{self, Credentials, Given, limits},
    spec,
};
use crate::resolve::{
    http::address,
    model::jobs::{Found, Job, Limits, Probe, Scrape, Source, Step},
    problem::Problem,
};

/// The most addresses of one object.
const TARGETS: usize = 1_000;

/// Adds the jobs of a probe: one for its addresses, one for its Ingresses.
pub fn translate(
    translation: &mut Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
) -> Result<(), Problem> {
    let spec: spec::Probe = translation.note(read("spec", &object.spec)?);
    let Some(prober) = &spec.prober else {
        return Err(Problem::new("spec.prober", "is missing: who looks"));
    };
    if address(&format!("http://{}", prober.url)).is_none_or(|it| !it.rest.is_empty()) {
        let message = "write host:port, such as blackbox-exporter.monitoring.svc:9115";
        return Err(Problem::new("spec.prober.url", message));
    }
    let probe = Probe {
        address: prober.url.clone(),
        job: spec.job_name.clone().filter(|name| !name.is_empty()),
        namespace: object.namespace.clone(),
        ..Probe::default()
    };
    let scrape = scrape(translation, copies, object, &spec, prober)?;
    let metric_steps = relabel::steps("spec.metricRelabelings", &spec.metric_relabelings)?;
    let name = format!("probe/{}/{}", object.namespace, object.name);
    let job = |name: String, source, steps| Job {
        name,
        mark: 0,
        scrape: scrape.clone(),
        source,
        steps,
        metric_steps: metric_steps.clone(),
    };
    if spec.targets.static_config.is_none() && spec.targets.ingress.is_none() {
        return Err(Problem::new("spec.targets", "staticConfig or ingress"));
    }
    if let Some(given) = &spec.targets.static_config {
        let field = "spec.targets.staticConfig";
        let fixed = fixed(field, given, probe.clone());
        let steps = relabel::steps(
            &format!("{field}.relabelingConfigs"),
            &given.relabeling_configs,
        );
        let made = fixed.and_then(|probe| Ok(job(name.clone(), Source::Probe(probe), steps?)));
        translation.take(made);
    }
    if let Some(given) = &spec.targets.ingress {
        // Names of jobs are unique in the file.
        let ingress_name = match spec.targets.static_config {
            Some(_) => format!("{name}/ingress"),
            None => name.clone(),
        };
        let made = ingresses(translation, object, given, probe)
            .map(|(source, steps)| job(ingress_name, source, steps));
        translation.take(made);
    }
    Ok(())
}

fn scrape(
    translation: &Translation<'_>,
    copies: &mut Copies<'_>,
    object: &Foreign,
    spec: &spec::Probe,
    prober: &spec::Prober,
) -> Result<Scrape, Problem> {
    let limits = limits!(spec, None);
    let module = spec.module.clone().filter(|module| !module.is_empty());
    let module = module.map(|module| ("module".to_owned(), vec![module]));
    let params = spec
        .params
        .iter()
        .map(|param| (param.name.clone(), param.values.clone()));
    let path = prober.path.as_deref().filter(|path| !path.is_empty());
    let given = Given {
        interval: spec.interval.as_deref(),
        timeout: spec.scrape_timeout.as_deref(),
        path: Some(path.unwrap_or("/probe")),
        scheme: prober.scheme.as_deref(),
        params: params.chain(module).collect(),
        proxy_url: prober.proxy_url.as_deref(),
        credentials: Credentials {
            basic_auth: spec.basic_auth.as_ref(),
            authorization: spec.authorization.as_ref(),
            bearer_token_secret: spec.bearer_token_secret.as_ref(),
            bearer_token_file: None,
        },
        tls: spec.tls_config.as_ref(),
        honor_timestamps: Some(true),
        follow_redirects: spec.follow_redirects,
        enable_http2: spec.enable_http2,
        ..Given::default()
    };
    settings::scrape(&translation.around, copies, object, "spec", given, limits)
}

fn fixed(field: &str, given: &spec::ProbeStatic, probe: Probe) -> Result<Probe, Problem> {
    if given.targets.is_empty() {
        return Err(Problem::new(
            format!("{field}.static"),
            "one address at least",
        ));
    }
    check_targets(&format!("{field}.static"), &given.targets)?;
    check_labels(&format!("{field}.labels"), given.labels.keys())?;
    Ok(Probe {
        targets: given.targets.clone(),
        labels: given.labels.clone(),
        ..probe
    })
}

/// Addresses that Prometheus takes as the label `__address__`.
pub fn check_targets(field: &str, targets: &[String]) -> Result<(), Problem> {
    if targets.len() > TARGETS {
        return Err(Problem::new(field, format!("{TARGETS} at most")));
    }
    match targets.iter().position(String::is_empty) {
        Some(index) => Err(Problem::new(format!("{field}[{index}]"), "is empty")),
        None => Ok(()),
    }
}

/// Names of labels that targets may have.
pub fn check_labels<'a>(
    field: &str,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Problem> {
    match names.find(|name| !relabel::is_label(name)) {
        Some(name) => Err(Problem::new(format!("{field}[{name}]"), "not a label name")),
        None => Ok(()),
    }
}

fn ingresses(
    translation: &mut Translation<'_>,
    object: &Foreign,
    given: &spec::ProbeIngress,
    probe: Probe,
) -> Result<(Source, Vec<Step>), Problem> {
    let field = "spec.targets.ingress";
    let (namespaces, outside) = search::namespaces(
        &format!("{field}.namespaceSelector"),
        &given.namespace_selector,
        object,
        translation.reach,
    )?;
    translation.left_out(outside);
    let found = Found {
        namespaces,
        selector: search::conditions(&format!("{field}.selector"), &given.selector)?,
        ..Found::default()
    };
    let steps = relabel::steps(
        &format!("{field}.relabelingConfigs"),
        &given.relabeling_configs,
    )?;
    Ok((Source::ProbedIngresses(found, probe), steps))
}
