//! The Argo CD objects: fields that Argo CD has, values that come back from every reader, and no object twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::collections::BTreeSet;

use nuketown::{
    Scope, Selection, Town,
    application::{ApplicationOptions, ArgoObject, Cluster, Previews, Shape, application},
    to_kube_manifests,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    cases,
    readers::{Readers, YamlReader},
    text::hostile,
    town::town,
};

/// The fields of the custom resource definitions of Argo CD 3.6 that are written here, with their types. A dot is an
/// object, `[]` a list. Behind `template.spec` stand the fields of an Application's `spec`.
const APPLICATION: &str = "
    apiVersion string, kind string, metadata.name string, metadata.namespace string,
    metadata.labels.app.kubernetes.io/part-of string";
const SPEC: &str = "
    project string, source.repoURL string, source.targetRevision string, source.path string,
    source.plugin.name string, source.plugin.parameters[].name string, source.plugin.parameters[].string string,
    source.plugin.parameters[].array[] string,
    destination.server string, destination.name string, destination.namespace string,
    syncPolicy.automated.prune boolean, syncPolicy.automated.selfHeal boolean, syncPolicy.syncOptions[] string,
    syncPolicy.retry.limit integer, syncPolicy.retry.backoff.duration string,
    syncPolicy.retry.backoff.factor integer, syncPolicy.retry.backoff.maxDuration string,
    ignoreDifferences[].group string, ignoreDifferences[].kind string,
    ignoreDifferences[].managedFieldsManagers[] string";
const SET: &str = "
    goTemplate boolean, goTemplateOptions[] string, generators[].list.elements[].agent string,
    generators[].pullRequest.requeueAfterSeconds integer, generators[].pullRequest.github.owner string,
    generators[].pullRequest.github.repo string, generators[].pullRequest.github.api string,
    generators[].pullRequest.github.labels[] string, generators[].pullRequest.github.tokenRef.secretName string,
    generators[].pullRequest.github.tokenRef.key string, template.metadata.name string,
    template.metadata.labels.app.kubernetes.io/part-of string, template.metadata.labels.nuketown.io/agent string";

/// The fields of a kind, as `path type`.
fn fields(kind: &str) -> BTreeSet<String> {
    let list = |fields: &str, prefix: &str| -> Vec<String> {
        fields.split(',').map(|field| format!("{prefix}{}", field.trim())).collect()
    };
    let spec = match kind {
        "Application" => list(SPEC, "spec."),
        _ => [list(SET, "spec."), list(SPEC, "spec.template.spec.")].concat(),
    };
    list(APPLICATION, "").into_iter().chain(spec).collect()
}

/// Every value of a document, as `path type`.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Object(map) => {
            assert!(!map.is_empty(), "{path} is empty");
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, &format!("{path}{dot}{key}"), found);
            }
            return;
        }
        Value::Array(items) => {
            assert!(!items.is_empty(), "{path} is empty");
            for item in items {
                leaves(item, &format!("{path}[]"), found);
            }
            return;
        }
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    found.insert(format!("{path} {kind}"));
}

fn two_agents() -> Town {
    let town =
        json!({ "domain": "6bit.com", "cloud": { "enable": true }, "agents": { "ada": {}, "vox": {} } });
    Town::from_json(&town).unwrap()
}

fn options(shape: Shape) -> ApplicationOptions {
    ApplicationOptions {
        name: None,
        repository: "https://github.com/joshperry/town.git".parse().unwrap(),
        revision: "HEAD".parse().unwrap(),
        path: ".".parse().unwrap(),
        attr: None,
        evaluator: None,
        agents: BTreeSet::new(),
        argocd_namespace: "argocd".parse().unwrap(),
        project: "default".parse().unwrap(),
        cluster: Cluster::Server("https://kubernetes.default.svc".parse().unwrap()),
        plugin: "nuketown".parse().unwrap(),
        automated: false,
        shape,
    }
}

fn previews() -> Previews {
    Previews {
        owner: None,
        repo: None,
        api: None,
        token: None,
        labels: vec!["preview".parse().unwrap()],
        requeue_after_seconds: 300,
    }
}

/// Everything that can be asked for, set.
fn everything(shape: Shape) -> ApplicationOptions {
    let shape = match shape {
        Shape::Preview(_) => Shape::Preview(Previews {
            owner: Some("acme".parse().unwrap()),
            repo: Some("town.nix".parse().unwrap()),
            api: Some("https://github.example.org/api/v3".parse().unwrap()),
            token: Some(("github-token".parse().unwrap(), "token".parse().unwrap())),
            labels: vec!["preview".parse().unwrap(), "yes".parse().unwrap()],
            requeue_after_seconds: 60,
        }),
        shape => shape,
    };
    ApplicationOptions {
        name: Some("town".parse().unwrap()),
        repository: "git@github.com:joshperry/town.git".parse().unwrap(),
        revision: "1.10".parse().unwrap(),
        path: "deploy/my town".parse().unwrap(),
        attr: Some("towns.\"6bit.com\"".to_owned()),
        evaluator: Some("nix-eval-jobs"),
        agents: BTreeSet::from(["ada".parse().unwrap()]),
        argocd_namespace: "gitops".parse().unwrap(),
        project: "towns".parse().unwrap(),
        cluster: Cluster::Name("the big one".parse().unwrap()),
        plugin: "nuketown-v2".parse().unwrap(),
        automated: true,
        shape,
    }
}

fn yaml(options: &ApplicationOptions) -> String {
    ArgoObject::to_yaml(&application(&two_agents(), options).unwrap()).unwrap()
}

fn documents(options: &ApplicationOptions) -> Vec<Value> {
    let objects = application(&two_agents(), options).unwrap();
    objects.iter().map(|object| serde_json::to_value(object).unwrap()).collect()
}

fn messages(options: &ApplicationOptions) -> String {
    let problems = application(&two_agents(), options).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Puts a text into one of the options.
type Set = fn(&mut ApplicationOptions, &str);

fn pin(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/application");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn application_of_each_shape_is_pinned() {
    for (name, shape) in
        [("town", Shape::Town), ("per-agent", Shape::PerAgent), ("preview", Shape::Preview(previews()))]
    {
        pin(name, &yaml(&options(shape.clone())));
        pin(&format!("{name}-with-every-option"), &yaml(&everything(shape)));
    }
}

#[test]
fn every_field_is_one_that_argo_cd_has_and_every_known_field_is_written() {
    let mut written = BTreeSet::new();
    for shape in [Shape::Town, Shape::PerAgent, Shape::Preview(previews())] {
        for options in [options(shape.clone()), everything(shape)] {
            for document in documents(&options) {
                let mut found = BTreeSet::new();
                leaves(&document, "", &mut found);
                let known = fields(document["kind"].as_str().unwrap());
                let unknown: Vec<_> = found.difference(&known).collect();
                assert!(unknown.is_empty(), "Argo CD does not know {unknown:?}");
                written.extend(found);
            }
        }
    }
    let known: BTreeSet<_> = ["Application", "ApplicationSet"].into_iter().flat_map(fields).collect();
    let never: Vec<_> = known.difference(&written).collect();
    assert!(never.is_empty(), "never written, so never tried: {never:?}");
}

#[test]
fn controllers_fields_are_ignored_and_respected_and_nothing_tracks() {
    for shape in [Shape::Town, Shape::PerAgent, Shape::Preview(previews())] {
        for document in documents(&options(shape)) {
            let spec =
                document["spec"].get("template").map_or(&document["spec"], |template| &template["spec"]);
            assert_eq!(
                spec["ignoreDifferences"],
                json!([{ "group": "apps", "kind": "Deployment", "managedFieldsManagers": ["nuketown-controller"] }])
            );
            assert_eq!(
                spec["syncPolicy"]["syncOptions"],
                json!(["RespectIgnoreDifferences=true", "ServerSideApply=true"])
            );
            assert_eq!(document["metadata"].get("annotations"), None);
            assert!(!document.to_string().contains("tracking-id"));
            assert!(!document.to_string().contains("app.kubernetes.io/instance"));
        }
    }
}

#[test]
fn only_a_preview_syncs_without_being_asked() {
    let automated = |options: &ApplicationOptions| {
        let document = documents(options).pop().unwrap();
        let spec = document["spec"].get("template").unwrap_or(&document)["spec"].clone();
        spec["syncPolicy"].get("automated").cloned()
    };
    let on = Some(json!({ "prune": true, "selfHeal": true }));
    assert_eq!(automated(&options(Shape::Town)), None);
    assert_eq!(automated(&options(Shape::PerAgent)), None);
    assert_eq!(automated(&options(Shape::Preview(previews()))), on);
    assert_eq!(automated(&ApplicationOptions { automated: true, ..options(Shape::Town) }), on);
}

#[test]
fn preview_is_in_the_namespace_that_its_slug_renders_to() {
    let document = documents(&options(Shape::Preview(previews()))).pop().unwrap();
    let spec = &document["spec"]["template"]["spec"];
    let slug =
        spec["source"]["plugin"]["parameters"][0]["string"].as_str().unwrap().replace("{{.number}}", "7");
    let selection = Selection { preview: Some(slug.parse().unwrap()), ..Selection::default() };
    let manifests = to_kube_manifests(&two_agents(), &selection).unwrap();
    let namespace = serde_json::to_value(&manifests.namespace[0]).unwrap()["metadata"]["name"].clone();
    let destination = spec["destination"]["namespace"].as_str().unwrap().replace("{{.number}}", "7");
    assert_eq!(namespace, destination);
    assert!(!manifests.to_yaml().unwrap().contains("Prune=false"), "a preview retains something");
}

#[test]
fn names_that_a_generator_would_make_too_long_are_refused() {
    let long = |shape| ApplicationOptions { name: Some("a".repeat(63).parse().unwrap()), ..options(shape) };
    assert!(application(&two_agents(), &long(Shape::Town)).is_ok());
    assert!(messages(&long(Shape::PerAgent)).contains("-ada\" has more than 63"));
    assert!(messages(&long(Shape::Preview(previews()))).contains("-pr-4294967295\" has more than 63"));
    let town = json!({ "domain": "6bit.com", "agents": { "ada": {} },
        "cloud": { "enable": true, "namespace": "n".repeat(60) } });
    let options =
        ApplicationOptions { name: Some("a".parse().unwrap()), ..options(Shape::Preview(previews())) };
    let problems = application(&Town::from_json(&town).unwrap(), &options).unwrap_err();
    assert!(problems[0].to_string().contains("use a shorter cloud.namespace"), "{}", problems[0]);
}

#[test]
fn templates_in_foreign_texts_are_refused_where_they_would_be_read() {
    let template = "{{ .password }}";
    let cases: [(&str, Set); 5] = [
        ("address", |o, t| {
            o.repository = format!("https://github.com/a/{}", t.replace(' ', "")).parse().unwrap();
        }),
        ("revision", |o, t| o.revision = t.parse().unwrap()),
        ("path", |o, t| o.path = t.parse().unwrap()),
        ("attribute", |o, t| o.attr = Some(t.to_owned())),
        ("destination", |o, t| o.cluster = Cluster::Name(t.parse().unwrap())),
    ];
    for (what, set) in cases {
        for shape in
            [Shape::PerAgent, Shape::Preview(Previews { repo: Some("b".parse().unwrap()), ..previews() })]
        {
            let mut options = options(shape);
            set(&mut options, template);
            assert!(messages(&options).contains("starts a template"), "{what}");
        }
        let mut options = options(Shape::Town);
        set(&mut options, template);
        assert_eq!(documents(&options).len(), 1, "an Application is no template, so {what} is plain text");
    }
}

#[test]
fn repository_that_is_not_at_github_has_to_be_named() {
    let elsewhere = |previews: Previews| ApplicationOptions {
        repository: "https://git.example.org/acme/town.git".parse().unwrap(),
        ..options(Shape::Preview(previews))
    };
    assert!(messages(&elsewhere(previews())).contains("--github-owner"));
    let named =
        Previews { owner: Some("a".parse().unwrap()), repo: Some("b".parse().unwrap()), ..previews() };
    let github = |options: &ApplicationOptions| {
        documents(options)[0]["spec"]["generators"][0]["pullRequest"]["github"].clone()
    };
    assert_eq!(github(&elsewhere(named))["owner"], "a");
    let enterprise = Previews { api: Some("https://git.example.org/api/v3".parse().unwrap()), ..previews() };
    assert_eq!(github(&elsewhere(enterprise))["owner"], "acme");
}

#[test]
fn town_that_cannot_be_rendered_has_no_application() {
    let town = json!({ "domain": "6bit.com", "cloud": { "enable": true, "resources": "huge" }, "agents": { "ada": {} } });
    assert!(application(&Town::from_json(&town).unwrap(), &options(Shape::Town)).is_err());
    let none = json!({ "domain": "6bit.com", "agents": { "ada": {} } });
    assert!(application(&Town::from_json(&none).unwrap(), &options(Shape::Town)).is_err());
    let unknown =
        ApplicationOptions { agents: BTreeSet::from(["adda".parse().unwrap()]), ..options(Shape::Town) };
    assert!(messages(&unknown).contains("did you mean `ada`?"));
}

/// Renders a part of a town as the objects' JSON.
fn part(town: &Town, scope: Scope, agents: BTreeSet<nuketown::values::AgentName>) -> Vec<Value> {
    let manifests = to_kube_manifests(town, &Selection { scope, agents, ..Selection::default() }).unwrap();
    manifests.objects().map(|object| serde_json::to_value(object).unwrap()).collect()
}

#[test]
fn agents_cannot_be_selected_where_none_is_rendered() {
    let agents = BTreeSet::from(["ada".parse().unwrap()]);
    let selection = Selection { scope: Scope::Namespace, agents, ..Selection::default() };
    let problems = to_kube_manifests(&two_agents(), &selection).unwrap_err();
    assert!(problems[0].to_string().contains("the scope is namespace"), "{}", problems[0]);
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn applications_of_a_town_share_no_object_and_together_are_the_town(town in town()) {
        let town = Town::from_json(&town).unwrap();
        // The default name is the namespace, which can be too long to be followed by an agent's.
        let options = ApplicationOptions { name: Some("t".parse().unwrap()), ..options(Shape::PerAgent) };
        let objects = application(&town, &options).unwrap();
        let set = serde_json::to_value(&objects[1]).unwrap();
        let mut parts = part(&town, Scope::Namespace, BTreeSet::new());
        for element in set["spec"]["generators"][0]["list"]["elements"].as_array().unwrap() {
            let agent = element["agent"].as_str().unwrap().parse().unwrap();
            parts.extend(part(&town, Scope::Agents, BTreeSet::from([agent])));
        }
        let identity = |object: &Value| format!("{}/{}", object["kind"], object["metadata"]["name"]);
        let identities: BTreeSet<_> = parts.iter().map(identity).collect();
        prop_assert_eq!(identities.len(), parts.len(), "an object is in two Applications");
        prop_assert_eq!(parts, part(&town, Scope::Town, BTreeSet::new()));
    }

    #[test]
    fn hostile_text_is_refused_or_comes_back_from_every_reader(texts in proptest::collection::vec(hostile(), 5)) {
        let readers = Readers::start();
        let mut options = options(Shape::Preview(previews()));
        if let Ok(url) = format!("https://github.com/a/{}", texts[0]).parse() { options.repository = url; }
        if let Ok(path) = texts[1].parse() { options.path = path; }
        if let Ok(name) = texts[2].parse() { options.cluster = Cluster::Name(name); }
        options.attr = Some(texts[3].clone());
        if let (Shape::Preview(previews), Ok(label)) = (&mut options.shape, texts[4].parse()) { previews.labels = vec![label]; }
        if let Ok(revision) = texts[4].parse() { options.revision = revision; }
        for shape in [options.shape.clone(), Shape::Town] {
            options.shape = shape;
            let Ok(objects) = application(&two_agents(), &options) else { continue };
            let meant: Vec<Value> = objects.iter().map(|o| serde_json::to_value(o).unwrap()).collect();
            let text = ArgoObject::to_yaml(&objects).unwrap();
            for reader in YamlReader::ALL {
                prop_assert_eq!(readers.yaml(reader, &text), Ok(meant.clone()), "{:?}", reader);
            }
        }
    }
}
