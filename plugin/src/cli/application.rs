//! The arguments of `nuketown-render application`.

use clap::{Args, ValueHint};
use nuketown::{
    application::{
        ApplicationName, ApplicationOptions, Cluster, ClusterName, GitHubLabel, GitHubName, Previews,
        Revision, Shape, SourcePath,
    },
    values::{AgentName, FileName, GitUrl, HttpUrl, NamespaceName, ObjectName},
};

use super::SourceArgs;

/// What Argo CD is to deploy, from where, to where, and how.
#[derive(Args, Debug)]
pub struct ApplicationArgs {
    /// Where the town comes from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// The Git repository that Argo CD reads the flake from, without credentials
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub repo: GitUrl,
    /// What to follow of it: a branch, a tag, a commit or a range of versions
    #[arg(long, value_name = "REVISION", default_value = "HEAD", conflicts_with = "preview")]
    pub revision: Revision,
    /// The flake's directory in it [default: the one that FLAKE has in its own repository]
    #[arg(long, value_name = "DIR")]
    pub path: Option<SourcePath>,
    /// The Application's name [default: the town's namespace]
    #[arg(long, value_name = "NAME")]
    pub name: Option<ApplicationName>,
    /// Deploy this agent only; may be repeated
    #[arg(long = "agent", value_name = "NAME")]
    pub agents: Vec<AgentName>,
    /// The namespace of Argo CD itself
    #[arg(long, value_name = "NAMESPACE", default_value = "argocd")]
    pub argocd_namespace: NamespaceName,
    /// Argo CD's project
    #[arg(long, value_name = "PROJECT", default_value = "default")]
    pub project: ObjectName,
    /// The cluster to deploy to, by the address of its API
    #[arg(long, value_name = "URL", default_value = "https://kubernetes.default.svc")]
    pub destination_server: HttpUrl,
    /// The cluster to deploy to, by the name that Argo CD has for it
    #[arg(long, value_name = "NAME", conflicts_with = "destination_server")]
    pub destination_name: Option<ClusterName>,
    /// The plugin's name in Argo CD
    #[arg(long, value_name = "NAME", default_value = "nuketown")]
    pub plugin: ObjectName,
    /// Sync without being asked, prune what is gone and undo changes by hand; a preview always does
    #[arg(long)]
    pub automated: bool,
    /// An `ApplicationSet` with one Application for each agent, and one Application for what they share
    #[arg(long, conflicts_with = "preview")]
    pub per_agent: bool,
    /// An `ApplicationSet` with one Application for each labelled pull request, in a namespace of its own
    #[arg(long)]
    pub preview: bool,
    /// Whose pull requests.
    #[command(flatten)]
    pub previews: PreviewArgs,
}

/// Which pull requests have a preview.
#[derive(Args, Debug)]
pub struct PreviewArgs {
    /// The label that a pull request needs for a preview; may be repeated, then all are needed
    #[arg(long = "label", value_name = "LABEL", default_value = "preview", requires = "preview")]
    pub labels: Vec<GitHubLabel>,
    /// The repository's owner at GitHub [default: as in --repo]
    #[arg(long, value_name = "OWNER", requires = "preview")]
    pub github_owner: Option<GitHubName>,
    /// The repository's name at GitHub [default: as in --repo]
    #[arg(long, value_name = "NAME", requires = "preview")]
    pub github_repo: Option<GitHubName>,
    /// The API of a GitHub Enterprise server
    #[arg(long, value_name = "URL", requires = "preview")]
    pub github_api: Option<HttpUrl>,
    /// The Secret in Argo CD's namespace, and its key, that holds a token for a private repository
    #[arg(long, value_name = "SECRET:KEY", value_parser = secret_key, requires = "preview")]
    pub github_token: Option<(ObjectName, FileName)>,
    /// Look at GitHub this often; 60 requests an hour are free without a token
    #[arg(long, value_name = "SECONDS", default_value = "300", requires = "preview",
        value_parser = clap::value_parser!(u32).range(30..=86_400))]
    pub requeue: u32,
}

impl ApplicationArgs {
    /// What the library is asked for; `attr` and `path` are those of the flake, and `evaluator` is named where
    /// it is not the usual one.
    #[must_use]
    pub fn options(
        &self,
        attr: Option<String>,
        evaluator: Option<&'static str>,
        path: SourcePath,
    ) -> ApplicationOptions {
        let cluster = match &self.destination_name {
            Some(name) => Cluster::Name(name.clone()),
            None => Cluster::Server(self.destination_server.clone()),
        };
        ApplicationOptions {
            name: self.name.clone(),
            repository: self.repo.clone(),
            revision: self.revision.clone(),
            path,
            attr,
            evaluator,
            agents: self.agents.iter().cloned().collect(),
            argocd_namespace: self.argocd_namespace.clone(),
            project: self.project.clone(),
            cluster,
            plugin: self.plugin.clone(),
            automated: self.automated,
            shape: self.shape(),
        }
    }

    fn shape(&self) -> Shape {
        if self.per_agent {
            return Shape::PerAgent;
        }
        if !self.preview {
            return Shape::Town;
        }
        Shape::Preview(Previews {
            owner: self.previews.github_owner.clone(),
            repo: self.previews.github_repo.clone(),
            api: self.previews.github_api.clone(),
            token: self.previews.github_token.clone(),
            labels: self.previews.labels.clone(),
            requeue_after_seconds: self.previews.requeue,
        })
    }
}

/// `SECRET:KEY`.
fn secret_key(text: &str) -> Result<(ObjectName, FileName), String> {
    let (secret, key) = text.split_once(':').ok_or("expected SECRET:KEY, such as github-token:token")?;
    let secret = secret.parse::<ObjectName>().map_err(|error| error.to_string())?;
    let key = key.parse::<FileName>().map_err(|error| error.to_string())?;
    Ok((secret, key))
}
