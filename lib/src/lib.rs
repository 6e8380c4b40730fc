//! Nuketown's town model: agents declared in Nix, and what they are in a cluster and in their homes.
//!
//! Nothing here does I/O: the caller brings the JSON that Nix printed, and prints what comes back.
//!
//! # Expected flow
//!
//! [`decode_town`] (or [`decode_hosts`]) → [`to_kube_manifests`] → [`Manifests::to_yaml`]; or [`to_kube_yaml`], which
//! gives the same text faster and in less memory.
//!
//! # Invariants
//!
//! - The same town gives the same bytes, whatever the order of its attributes.
//! - A town with a problem gives no manifests at all, and all its problems at once.

pub mod application;
mod diff;
mod home;
mod manifests;
mod model;
mod names;
mod plan;
mod problem;
mod schema;
mod text;
pub mod town;
pub mod values;

pub use diff::{Diff, MAX_RENDERED_BYTES, Rendered, diff};
pub use home::{
    ApiSection, BootstrapSection, CONFIG_DIR, DaemonFile, GitHubSection, HOST_SECRETS_DIR, HeadlessSection,
    IdentityFile, IdentitySection, KeysSection, POD_SECRETS_DIR, POD_TOWN_DIR, RuntimeCloud, ScalingSection,
    SecretSource, SudoSection, TownFile, XmppSection, home_files,
};
pub use manifests::{
    CiliumNetworkPolicy, FqdnNetworkPolicy, HEADER, Manifests, Object, YamlError, YamlStream,
    to_kube_manifests, to_kube_yaml,
};
pub use model::DeploymentModel;
pub use plan::{Scope, Selection};
pub use problem::Problem;
pub use schema::schema;
pub use text::nearest;
pub use town::{Town, decode_hosts, decode_town};

/// The version of nuketown, which is the tag of its general agent image.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
