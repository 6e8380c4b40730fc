//! The Argo CD objects that deploy a town: an Application, or an `ApplicationSet` of them.
//!
//! # Invariants
//!
//! - No object of the town is in two Applications (Argo CD: `SharedResourceWarning`): where agents have Applications of
//!   their own, what they share is in one more.
//! - What the scaling controller owns in a Deployment is never undone: its field manager is ignored, and the ignored
//!   differences are respected when syncing.
//! - Nothing that a user or a flake has written is read as a template.

mod options;
mod resource;
mod values;

pub use options::{ApplicationOptions, Cluster, Previews, Shape};
pub use resource::{Application, ApplicationSet, ArgoObject};
pub use values::{ApplicationName, ClusterName, GitHubLabel, GitHubName, Revision, SourcePath};

use std::collections::BTreeMap;

use resource::{
    Automated, Backoff, Element, Generator, GitHub, IgnoredDifference, List, Metadata, Parameter, Place,
    Plugin, PullRequest, Retry, SetSpec, Source, Spec, SyncPolicy, Template, TokenRef,
};

use crate::{
    Problem, Town, YamlError, manifests,
    names::AGENT_LABEL,
    plan::{self, Scope, Selection},
    values::{AgentName, NamespaceName},
};

const API_VERSION: &str = "argoproj.io/v1alpha1";

/// The field manager of the scaling controller (server-side apply).
const CONTROLLER: &str = "nuketown-controller";

/// A pull request's slug, in the words of the pull request generator.
const SLUG: &str = "pr-{{.number}}";

/// The longest slug that [`SLUG`] gives: GitHub numbers pull requests by 32 bits.
const LONGEST_SLUG: &str = "pr-4294967295";

/// The Argo CD objects that deploy `town` as `options` say.
///
/// # Errors
///
/// Every problem of the town, so that nothing is deployed that cannot be rendered; and of what is asked for.
pub fn application(town: &Town, options: &ApplicationOptions) -> Result<Vec<ArgoObject>, Vec<Problem>> {
    let selection = Selection { agents: options.agents.clone(), ..Selection::default() };
    let plan = plan::plan(town, &selection)?;
    let agents: Vec<&AgentName> = plan.agents.iter().filter(|a| a.selected).map(|a| a.name).collect();
    let name = match &options.name {
        Some(name) => name.to_string(),
        None => town.cloud.namespace.to_string(),
    };
    let maker = Maker { options, name, namespace: town.cloud.namespace.to_string() };
    let mut problems = match options.shape {
        Shape::Town => Vec::new(),
        Shape::PerAgent | Shape::Preview(_) => options.template_problems(),
    };
    problems.extend(maker.name_problems(&agents));
    let objects = match &options.shape {
        Shape::Town => vec![maker.town()],
        Shape::PerAgent => vec![maker.shared(), maker.per_agent(&agents)],
        Shape::Preview(previews) => {
            maker.previews(previews).map_err(|problem| problems.push(problem)).into_iter().collect()
        }
    };
    if problems.is_empty() { Ok(objects) } else { Err(problems) }
}

impl ArgoObject {
    /// Objects as one YAML stream, written as a town's manifests are.
    ///
    /// # Errors
    ///
    /// [`YamlError`], never for objects that this library makes.
    pub fn to_yaml(objects: &[Self]) -> Result<String, YamlError> {
        manifests::documents(objects)
    }
}

/// What every object is made from.
struct Maker<'o> {
    options: &'o ApplicationOptions,
    name: String,
    namespace: String,
}

impl Maker<'_> {
    /// One Application for the whole town.
    fn town(&self) -> ArgoObject {
        self.application(self.agents_parameter())
    }

    /// The Application of what the agents share.
    fn shared(&self) -> ArgoObject {
        self.application(vec![scope(Scope::Namespace)])
    }

    fn application(&self, parameters: Vec<Parameter>) -> ArgoObject {
        ArgoObject::Application(Box::new(Application {
            api_version: API_VERSION,
            kind: "Application",
            metadata: self.metadata(self.name.clone()),
            spec: self.spec(
                self.options.revision.to_string(),
                self.namespace.clone(),
                self.options.automated,
                parameters,
            ),
        }))
    }

    /// The Applications of the agents, without what they share.
    fn per_agent(&self, agents: &[&AgentName]) -> ArgoObject {
        let agent = "{{.agent}}".to_owned();
        let parameters = vec![
            Parameter { name: "agents", array: vec![agent.clone()], ..Parameter::default() },
            scope(Scope::Agents),
        ];
        let elements = agents.iter().map(|name| Element { agent: name.to_string() }).collect();
        let mut metadata = template_metadata(format!("{}-{agent}", self.name));
        metadata.labels.insert(AGENT_LABEL, agent);
        let spec = self.spec(
            self.options.revision.to_string(),
            self.namespace.clone(),
            self.options.automated,
            parameters,
        );
        let generator = Generator { list: Some(List { elements }), ..Generator::default() };
        self.set(format!("{}-agents", self.name), generator, Template { metadata, spec })
    }

    /// The Applications of the pull requests. They sync by themselves: nobody is there to do it.
    fn previews(&self, previews: &Previews) -> Result<ArgoObject, Problem> {
        let (owner, repo) = previews.repository(&self.options.repository)?;
        let github = GitHub {
            owner: owner.to_string(),
            repo: repo.to_string(),
            api: previews.api.as_ref().map(ToString::to_string),
            token_ref: previews
                .token
                .as_ref()
                .map(|(secret, key)| TokenRef { secret_name: secret.to_string(), key: key.to_string() }),
            labels: previews.labels.iter().map(ToString::to_string).collect(),
        };
        let mut parameters = self.agents_parameter();
        parameters.push(Parameter { name: "preview", string: Some(SLUG.to_owned()), ..Parameter::default() });
        let pull_request = PullRequest { github, requeue_after_seconds: previews.requeue_after_seconds };
        let generator = Generator { pull_request: Some(pull_request), ..Generator::default() };
        let metadata = template_metadata(format!("{}-{SLUG}", self.name));
        let spec =
            self.spec("{{.head_sha}}".to_owned(), format!("{}-{SLUG}", self.namespace), true, parameters);
        Ok(self.set(format!("{}-previews", self.name), generator, Template { metadata, spec }))
    }

    fn set(&self, name: String, generator: Generator, template: Template) -> ArgoObject {
        ArgoObject::ApplicationSet(Box::new(ApplicationSet {
            api_version: API_VERSION,
            kind: "ApplicationSet",
            metadata: self.metadata(name),
            spec: SetSpec {
                go_template: true,
                // A misspelt value is an error, not the text "<no value>".
                go_template_options: vec!["missingkey=error"],
                generators: vec![generator],
                template,
            },
        }))
    }

    fn metadata(&self, name: String) -> Metadata {
        Metadata { namespace: Some(self.options.argocd_namespace.to_string()), ..template_metadata(name) }
    }

    fn agents_parameter(&self) -> Vec<Parameter> {
        let array: Vec<String> = self.options.agents.iter().map(ToString::to_string).collect();
        if array.is_empty() {
            return Vec::new();
        }
        vec![Parameter { name: "agents", array, ..Parameter::default() }]
    }

    fn spec(
        &self,
        revision: String,
        namespace: String,
        automated: bool,
        mut parameters: Vec<Parameter>,
    ) -> Spec {
        let options = self.options;
        if let Some(attr) = &options.attr {
            parameters.push(Parameter { name: "attr", string: Some(attr.clone()), ..Parameter::default() });
        }
        if let Some(evaluator) = options.evaluator {
            let string = Some(evaluator.to_owned());
            parameters.push(Parameter { name: "evaluator", string, ..Parameter::default() });
        }
        parameters.sort_by_key(|parameter| parameter.name);
        let (server, name) = match &options.cluster {
            Cluster::Server(url) => (Some(url.to_string()), None),
            Cluster::Name(name) => (None, Some(name.to_string())),
        };
        Spec {
            project: options.project.to_string(),
            source: Source {
                repo_url: options.repository.to_string(),
                target_revision: revision,
                path: options.path.to_string(),
                plugin: Plugin { name: options.plugin.to_string(), parameters },
            },
            destination: Place { server, name, namespace },
            sync_policy: sync_policy(automated),
            ignore_differences: vec![IgnoredDifference {
                group: "apps",
                kind: "Deployment",
                managed_fields_managers: vec![CONTROLLER],
            }],
        }
    }

    /// Names that the controller of the `ApplicationSet` would make and the API server refuse.
    fn name_problems(&self, agents: &[&AgentName]) -> Vec<Problem> {
        let name = &self.name;
        let (applications, namespace) = match &self.options.shape {
            Shape::Town => (Vec::new(), None),
            Shape::PerAgent => {
                let sets = std::iter::once(format!("{name}-agents"));
                (sets.chain(agents.iter().map(|agent| format!("{name}-{agent}"))).collect(), None)
            }
            Shape::Preview(_) => (
                vec![format!("{name}-previews"), format!("{name}-{LONGEST_SLUG}")],
                Some(format!("{}-{LONGEST_SLUG}", self.namespace)),
            ),
        };
        let long = applications.into_iter().filter(|name| name.parse::<ApplicationName>().is_err());
        let mut problems: Vec<Problem> = long
            .map(|name| {
                let cause = format!("{name:?} has more than 63 characters");
                Problem::new("an Application would have no valid name", cause).hint("use a shorter --name")
            })
            .collect();
        if let Some(name) = namespace.filter(|name| name.parse::<NamespaceName>().is_err()) {
            let cause = format!("{name:?} has more than 63 characters");
            problems.push(
                Problem::new("a preview's namespace would have no valid name", cause)
                    .hint("use a shorter cloud.namespace"),
            );
        }
        problems
    }
}

fn template_metadata(name: String) -> Metadata {
    let labels = BTreeMap::from([("app.kubernetes.io/part-of", "nuketown".to_owned())]);
    Metadata { labels, name, namespace: None }
}

fn scope(scope: Scope) -> Parameter {
    Parameter { name: "scope", string: Some(scope.as_str().to_owned()), ..Parameter::default() }
}

/// Server-side apply, because a town's objects can be larger than an annotation, and because the scaling controller
/// shares a Deployment by its field manager. Retries cover a namespace that another Application has yet to make.
fn sync_policy(automated: bool) -> SyncPolicy {
    SyncPolicy {
        automated: automated.then_some(Automated { prune: true, self_heal: true }),
        sync_options: vec!["RespectIgnoreDifferences=true", "ServerSideApply=true"],
        retry: Retry { limit: 5, backoff: Backoff { duration: "10s", factor: 2, max_duration: "3m" } },
    }
}
