//! The parameters of an Application, once: for Argo CD, for `plugin.yaml`, for the documentation, and for reading them.

use std::fmt::Write as _;

use serde_json::json;

/// A parameter that an Application may set in `spec.source.plugin.parameters`.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What Argo CD's form calls it.
    pub title: &'static str,
    /// What it does, and what happens without it.
    pub tooltip: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether an Application has to set it.
    pub required: bool,
    /// What it may be set to, as a line of YAML for the documentation.
    pub example: &'static str,
}

/// What a parameter holds; the words are Argo CD's (`collectionType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One text.
    Text,
    /// A list of texts.
    Array,
    /// Texts by name.
    Map,
}

impl Kind {
    /// The field of an Application that holds the value, which is also the `collectionType`.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Array => "array",
            Self::Map => "map",
        }
    }
}

/// All parameters, in the order in which they are shown.
pub const PARAMETERS: [Parameter; 7] = [
    Parameter {
        name: "agents",
        title: "Agents",
        tooltip: "Render these agents only. What the agents share (namespace, quota, default-deny) always covers the whole \
                  town. Default: every cloud agent.",
        kind: Kind::Array,
        required: false,
        example: "array: [ada, bob]",
    },
    Parameter {
        name: "attr",
        title: "Flake output",
        tooltip: "The flake's output that holds the town. Default: nuketown, or else the towns of nixosConfigurations.",
        kind: Kind::Text,
        required: false,
        example: "string: towns.staging",
    },
    Parameter {
        name: "evaluator",
        title: "Evaluator",
        tooltip: "What evaluates the hosts of nixosConfigurations: nix, one after the other, or nix-eval-jobs, several at once, \
                  which has to be in the sidecar. A town that is one output is always evaluated by nix. Default: nix.",
        kind: Kind::Text,
        required: false,
        example: "string: nix-eval-jobs",
    },
    Parameter {
        name: "namespace",
        title: "Namespace",
        tooltip: "Render to this namespace instead of the town's cloud.namespace. Default: cloud.namespace.",
        kind: Kind::Text,
        required: false,
        example: "string: agents-staging",
    },
    Parameter {
        name: "preview",
        title: "Preview",
        tooltip: "Render a preview environment of this name: its own namespace (NAMESPACE-PREVIEW) and XMPP resource, \
                  volumes that are not retained, no keys registered at GitHub, and an evaluation that is kept apart. \
                  Default: no preview.",
        kind: Kind::Text,
        required: false,
        example: "string: pr-7",
    },
    Parameter {
        name: "scope",
        title: "Scope",
        tooltip: "The part of the town to render: namespace is what the agents share, agents is the agents without it. For \
                  Applications of their own for each agent, which would share the namespace's objects otherwise. \
                  Default: town, which is both.",
        kind: Kind::Text,
        required: false,
        example: "string: agents",
    },
    Parameter {
        name: "tiers",
        title: "Tiers",
        tooltip: "The tier that an agent starts on, by agent, never above its scaling.maxResources. Default: the agent's \
                  cloud.resources.",
        kind: Kind::Map,
        required: false,
        example: "map: {ada: small}",
    },
];

/// What `parameters.dynamic` of a plugin prints: a JSON array of announcements, as Argo CD's `ParameterAnnouncement`.
#[must_use]
pub fn announcement() -> String {
    let all: Vec<_> = PARAMETERS
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "title": parameter.title,
                "tooltip": parameter.tooltip,
                "required": parameter.required,
                "itemType": "string",
                "collectionType": parameter.kind.field(),
            })
        })
        .collect();
    format!("{:#}\n", json!(all))
}

/// The table of the documentation, which stands there between [`MARKDOWN_BEGIN`] and [`MARKDOWN_END`].
#[must_use]
pub fn markdown() -> String {
    let mut table = "| Parameter | Holds | What it does | Example |\n| --- | --- | --- | --- |\n".to_owned();
    for Parameter { name, tooltip, kind, example, .. } in &PARAMETERS {
        let holds = match kind {
            Kind::Text => "a string",
            Kind::Array => "an array",
            Kind::Map => "a map",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| `{name}` | {holds} | {tooltip} | `{example}` |");
    }
    table
}

/// The line above the table in the documentation.
pub const MARKDOWN_BEGIN: &str = "<!-- parameters: made by `nuketown-cmp parameters --markdown` -->";

/// The line below the table in the documentation.
pub const MARKDOWN_END: &str = "<!-- end of parameters -->";

/// What stands above the parameters in `plugin.yaml`.
const PLUGIN: &str = "\
# The configuration of the plugin, which argocd-cmp-server reads. Made by `nuketown-cmp plugin-yaml`.
apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata:
  name: nuketown
spec:
  generate:
    command: [nuketown-cmp, generate]
  # Without discovery, an Application names the plugin. To have Argo CD find towns by itself, at the price of sending each
  # repository twice:
  # discover:
  #   find:
  #     command: [nuketown-cmp, discover]
  # The modes of the files are of no meaning to a town, and neither are credentials: nothing is cloned here.
  preserveFileMode: false
  provideGitCreds: false
  parameters:
    static:
";

/// The text of `plugin.yaml`.
#[must_use]
pub fn plugin_yaml() -> String {
    let mut text = PLUGIN.to_owned();
    for parameter in &PARAMETERS {
        // Double-quoted strings of JSON are those of YAML too.
        let _ = write!(
            text,
            "      - name: {}\n        title: {}\n        tooltip: {}\n        required: {}\n        itemType: string\n        \
             collectionType: {}\n",
            parameter.name,
            json!(parameter.title),
            json!(parameter.tooltip),
            parameter.required,
            parameter.kind.field(),
        );
    }
    text
}
