//! `nuketown-cmp generate`: the manifests of an Application.

use std::num::NonZero;
use std::time::Instant;

use nuketown::{Problem, decode_hosts, decode_town, to_kube_yaml};

use super::{
    cache::Towns,
    environment::Environment,
    place::Trust,
    said::say,
    service::{Answer, Job},
    settings::Settings,
    source::Source,
    values::Wanted,
};
use crate::{failure::Failure, output};

/// The oldest Kubernetes that the manifests are checked against.
const KUBERNETES: (u32, u32) = (1, 28);

pub(super) fn run(environment: &Environment) -> Result<(), Failure> {
    let started = Instant::now();
    let settings = Settings::read(environment)?;
    let Wanted { attr, evaluator, mut selection } = Wanted::read(environment)?;
    selection.allow_empty = settings.allow_empty;
    let deadline = started.checked_add(settings.timeout).unwrap_or(started);
    let trust = if selection.preview.is_some() { Trust::Preview } else { Trust::Deployed };
    let evaluator = settings.bounded(evaluator);
    let attr = attr.as_deref();
    let job = |source| Job { settings: &settings, source, attr, evaluator, trust, deadline };
    let directory = directory()?;
    let said = Source::said(environment, &directory)?;
    let kept = said.as_ref().map(|said| job(said).kept()).transpose()?.flatten();
    let found;
    let Answer { towns, mut warnings } = if let Some(kept) = kept {
        kept
    } else {
        found = Source::find(environment, &directory, deadline)?;
        job(&found).answer()?
    };
    let town = match &towns {
        Towns::Town(json) => decode_town(json),
        Towns::Hosts(json) => decode_hosts(json),
    };
    let town = town.map_err(|problem| Failure::wrong(vec![problem]))?;
    let stream = to_kube_yaml(&town, &selection, NonZero::<usize>::MIN).map_err(Failure::wrong)?;
    warnings.extend(stream.warnings);
    warnings.extend(old_kubernetes(environment));
    say("warning", &warnings, environment);
    output::print(&stream.yaml)
}

fn directory() -> Result<std::path::PathBuf, Failure> {
    std::env::current_dir().map_err(|why| {
        Failure::usage(Problem::new("the directory of the Application cannot be found", why.to_string()))
    })
}

/// A warning where the cluster is older than what the manifests are checked against. `KUBE_VERSION` is `1.31.0`, or
/// nothing that is known.
fn old_kubernetes(environment: &Environment) -> Option<Problem> {
    let version = environment.get("KUBE_VERSION")?;
    let mut parts = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
    ((major, minor) < KUBERNETES).then(|| {
        Problem::new(
            "the cluster's Kubernetes is too old for these manifests",
            format!(
                "KUBE_VERSION is {major}.{minor}; they are made for {}.{} and later",
                KUBERNETES.0, KUBERNETES.1
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_cluster_is_warned_of_and_an_unknown_one_is_not() {
        let warns = |version| old_kubernetes(&Environment::from([("KUBE_VERSION", version)])).is_some();
        assert!(warns("1.27.16") && warns("v1.9"));
        assert!(!warns("1.28.0") && !warns("1.100.1") && !warns("2.0.0") && !warns("x") && !warns(""));
    }
}
