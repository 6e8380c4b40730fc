//! What a caller can select of a town: agents, a namespace, a preview, and the tier that an agent starts on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::num::NonZero;

use nuketown::{Scope, Selection, Town, decode_town, to_kube_manifests, to_kube_yaml};

/// Ada may grow from standard to large, bob may not grow, carol is at a desk.
fn town() -> Town {
    decode_town(
        br#"{ "domain": "6bit.com", "agents": {
            "ada": { "cloud": { "enable": true, "scaling": { "maxResources": "large" } } },
            "bob": { "cloud": { "enable": true } },
            "carol": { "uid": 1200, "portal": { "enable": true } } } }"#,
    )
    .unwrap()
}

fn tiers(pairs: &[(&str, &str)]) -> Selection {
    let tiers = pairs.iter().map(|(agent, tier)| (agent.parse().unwrap(), tier.parse().unwrap()));
    Selection { tiers: tiers.collect(), ..Selection::default() }
}

fn yaml(selection: &Selection) -> String {
    to_kube_yaml(&town(), selection, NonZero::<usize>::MIN).unwrap().yaml
}

#[track_caller]
fn problem(selection: &Selection) -> String {
    let problems = to_kube_manifests(&town(), selection).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

/// The lines of the stream that say something about a tier or an amount, from the first mention of the agent's config.
fn says(yaml: &str, agent: &str, line: &str) -> bool {
    let objects = yaml.split("\n---\n").filter(|object| object.contains(&format!("name: nuketown-{agent}")));
    objects.into_iter().any(|object| object.contains(line))
}

#[test]
fn selected_tier_is_what_the_pod_starts_on_and_what_its_daemon_is_told() {
    let (before, after) = (yaml(&Selection::default()), yaml(&tiers(&[("ada", "small")])));
    assert!(says(&before, "ada", "resources = \"standard\"") && says(&before, "ada", "memory: 4Gi"));
    assert!(says(&after, "ada", "resources = \"small\""), "{after}");
    assert!(says(&after, "ada", "max_resources = \"large\""), "the maximum stays");
    assert!(says(&after, "ada", "memory: 2Gi") && !says(&after, "ada", "memory: 4Gi"), "{after}");
    assert!(says(&after, "bob", "resources = \"standard\""), "nobody else is touched");
    let quota = |yaml: &str| {
        let quota = yaml.split("\n---\n").find(|object| object.contains("kind: ResourceQuota"));
        quota.unwrap().to_owned()
    };
    assert_eq!(quota(&before), quota(&after), "the ceiling of the cost is what is declared");
}

#[test]
fn selected_tier_may_be_the_maximum_and_never_above_it() {
    assert!(says(&yaml(&tiers(&[("ada", "large")])), "ada", "resources = \"large\""));
    let above = problem(&tiers(&[("ada", "gpu")]));
    assert!(above.starts_with("agent `ada` starts above its maximum"), "{above}");
    assert!(
        above.contains("\"large\", below the tier selected for ada \"gpu\": 8Gi of memory against 16Gi"),
        "{above}"
    );
    // Without a maximum of its own, an agent's is the tier that it declares.
    let above = problem(&tiers(&[("bob", "large")]));
    assert!(above.contains("cloud.resources is \"standard\", below the tier selected for bob"), "{above}");
}

#[test]
fn selected_tier_that_does_not_exist_is_named_with_the_nearest() {
    let unknown = problem(&tiers(&[("ada", "larg")]));
    assert!(unknown.contains("the tier selected for ada is \"larg\"; the town defines"), "{unknown}");
    assert!(unknown.contains("did you mean \"large\"?"), "{unknown}");
}

#[test]
fn tier_for_an_agent_that_is_not_rendered_is_an_error() {
    let unknown = problem(&tiers(&[("adda", "small")]));
    assert!(
        unknown.contains("`adda` does not exist") && unknown.contains("did you mean `ada`?"),
        "{unknown}"
    );
    let desk = problem(&tiers(&[("carol", "small")]));
    assert!(desk.contains("carol is a workstation agent"), "{desk}");
    let mut others = tiers(&[("ada", "small")]);
    others.agents = ["bob".parse().unwrap()].into();
    let idle = problem(&others);
    assert!(idle.contains("agent `ada`, which is not rendered"), "{idle}");
    let nobody = problem(&Selection { scope: Scope::Namespace, ..tiers(&[("ada", "small")]) });
    assert!(nobody.contains("not rendered") && nobody.contains("the scope is namespace"), "{nobody}");
}

#[test]
fn selected_namespace_takes_the_place_of_the_declared_one_everywhere() {
    let selection = Selection { namespace: Some("elsewhere".parse().unwrap()), ..Selection::default() };
    let (before, after) = (yaml(&Selection::default()), yaml(&selection));
    assert!(before.contains("namespace: nuketown\n") && !after.contains("namespace: nuketown\n"), "{after}");
    assert_eq!(
        after,
        before.replace("namespace: nuketown\n", "namespace: elsewhere\n").replacen(
            "name: nuketown\n",
            "name: elsewhere\n",
            1
        )
    );
}

#[test]
fn preview_of_a_selected_namespace_stands_beside_it() {
    let mut selection = Selection { namespace: Some("elsewhere".parse().unwrap()), ..Selection::default() };
    selection.preview = Some("pr-7".parse().unwrap());
    assert!(yaml(&selection).contains("namespace: elsewhere-pr-7\n"));
    selection.namespace = Some("n".repeat(60).parse().unwrap());
    assert!(problem(&selection).contains("has more than 63 characters"));
}
