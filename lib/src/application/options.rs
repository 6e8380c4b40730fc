//! What an Application is asked for, and whether it can be had.

use std::collections::BTreeSet;

use super::values::{ApplicationName, ClusterName, GitHubLabel, GitHubName, Revision, SourcePath};
use crate::{
    Problem,
    values::{AgentName, FileName, GitUrl, HttpUrl, NamespaceName, ObjectName},
};

/// What Argo CD is to deploy, from where, to where, and how.
#[derive(Clone, Debug)]
pub struct ApplicationOptions {
    /// The Application's name, and the start of the names where there are several; the town's namespace if not set.
    pub name: Option<ApplicationName>,
    /// The repository that Argo CD reads.
    pub repository: GitUrl,
    /// What is followed of it. A preview follows its pull request instead.
    pub revision: Revision,
    /// Where the flake is in it.
    pub path: SourcePath,
    /// The attribute of the flake that holds the town, where it is not the usual one.
    pub attr: Option<String>,
    /// What the plugin evaluates hosts with, where it is not the usual Nix.
    pub evaluator: Option<&'static str>,
    /// The agents to deploy; all cloud agents where empty.
    pub agents: BTreeSet<AgentName>,
    /// Argo CD's own namespace.
    pub argocd_namespace: NamespaceName,
    /// Argo CD's project, which bounds what the Application may do.
    pub project: ObjectName,
    /// The cluster to deploy to.
    pub cluster: Cluster,
    /// The name of the plugin in Argo CD.
    pub plugin: ObjectName,
    /// Whether Argo CD syncs by itself, prunes and undoes changes by hand. A preview always does.
    pub automated: bool,
    /// How many Applications there are.
    pub shape: Shape,
}

/// The cluster to deploy to.
#[derive(Clone, Debug)]
pub enum Cluster {
    /// By the address of its API.
    Server(HttpUrl),
    /// By the name that Argo CD has for it.
    Name(ClusterName),
}

/// How many Applications there are.
#[derive(Clone, Debug)]
pub enum Shape {
    /// One for the whole town.
    Town,
    /// One for what the agents share, and one for each agent.
    PerAgent,
    /// One for each pull request that has all of the labels.
    Preview(Previews),
}

/// Which pull requests have a preview.
#[derive(Clone, Debug)]
pub struct Previews {
    /// The owner at GitHub; that of the repository's address if not set.
    pub owner: Option<GitHubName>,
    /// The repository at GitHub; that of the repository's address if not set.
    pub repo: Option<GitHubName>,
    /// The API of a GitHub Enterprise server.
    pub api: Option<HttpUrl>,
    /// A Secret in Argo CD's namespace and its key that holds a token, for a private repository.
    pub token: Option<(ObjectName, FileName)>,
    /// The labels that a pull request has to have.
    pub labels: Vec<GitHubLabel>,
    /// Seconds between two looks at GitHub.
    pub requeue_after_seconds: u32,
}

impl ApplicationOptions {
    /// Texts that an `ApplicationSet` would read as a template: there, `{{` starts an expression of the controller.
    pub(super) fn template_problems(&self) -> Vec<Problem> {
        let cluster = match &self.cluster {
            Cluster::Server(url) => url.as_str(),
            Cluster::Name(name) => name.as_str(),
        };
        let texts = [
            ("the repository's address", self.repository.as_str()),
            ("the revision", self.revision.as_str()),
            ("the path", self.path.as_str()),
            ("the attribute", self.attr.as_deref().unwrap_or_default()),
            ("the destination", cluster),
        ];
        let holds_template = texts.into_iter().filter(|(_, text)| text.contains("{{"));
        holds_template
            .map(|(what, text)| {
                let cause = format!("{text:?} holds \"{{{{\", which starts a template in an ApplicationSet");
                Problem::new(format!("{what} cannot be used in an ApplicationSet"), cause)
            })
            .collect()
    }
}

impl Previews {
    /// Owner and name of the repository at GitHub.
    pub(super) fn repository(&self, url: &GitUrl) -> Result<(GitHubName, GitHubName), Problem> {
        let (host, owner, repo) = host_owner_repo(url.as_str()).unwrap_or_default();
        // With an API of its own the server is a GitHub of another name.
        let inferred = self.api.is_some() || matches!(host, "github.com" | "ssh.github.com");
        let part = |given: &Option<GitHubName>, read: &str| match given {
            Some(name) => Some(name.clone()),
            None => inferred.then(|| read.parse().ok()).flatten(),
        };
        match (part(&self.owner, owner), part(&self.repo, repo)) {
            (Some(owner), Some(repo)) => Ok((owner, repo)),
            _ => Err(Problem::new(
                "it is not known whose pull requests are meant",
                format!("{:?} names no repository at github.com", url.as_str()),
            )
            .hint("name it with --github-owner and --github-repo; for GitHub Enterprise also --github-api")),
        }
    }
}

/// Host, owner and name of `https://HOST/OWNER/NAME.git`, `ssh://git@HOST:PORT/OWNER/NAME` or `git@HOST:OWNER/NAME.git`.
fn host_owner_repo(url: &str) -> Option<(&str, &str, &str)> {
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => url.split_once(':')?,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let path = path.trim_matches('/');
    let (owner, repo) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    Some((host, owner, repo))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_at_github_is_read_from_every_form_of_address() {
        for url in [
            "https://github.com/joshperry/mynix.git",
            "https://github.com/joshperry/mynix",
            "git@github.com:joshperry/mynix.git",
            "ssh://git@ssh.github.com:443/joshperry/mynix.git",
        ] {
            let (host, owner, repo) = host_owner_repo(url).unwrap();
            assert!(host.ends_with("github.com"), "{url}");
            assert_eq!((owner, repo), ("joshperry", "mynix"), "{url}");
        }
        assert_eq!(host_owner_repo("https://gitlab.example.org/a/b/c.git").unwrap().2, "b/c");
    }
}
