//! The command line of Nix.
//!
//! One form works from Nix 2.8 to the current one, as root and as an ordinary user, with and without a daemon.
//!
//! # Invariants
//!
//! - Nothing is built: no builders, no jobs, no substitution, and import-from-derivation is off.
//! - The flake's own settings (`nixConfig`) are never in force, and its lock file is never changed.
//! - Evaluation is pure: it sees the flake and its locked inputs.

use std::ffi::OsString;
use std::path::Path;

use super::Towns;

/// What is asked of a flake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// This attribute.
    Attribute(String),
    /// The towns of the NixOS configurations.
    Hosts,
}

/// Collects the towns of all hosts that have one. Traces the name of each host before it is looked at, so that the host
/// can be named whose evaluation fails; `toJSON` forces all of the town at that moment. Nothing else of a host is
/// evaluated than the way to its town. A host that imports the NixOS module and declares nothing has null there.
const HOSTS: &str = r#"hosts:
let
  look = name:
    let
      host = hosts.${name};
      town = host.config.nuketown.town;
    in
    builtins.trace "nuketown-host ${builtins.toJSON name}" (
      if host ? config.nuketown.town && town != null
      then builtins.seq (builtins.toJSON town) [ { inherit name; value = town; } ]
      else [ ]
    );
in
builtins.listToAttrs (builtins.concatLists (map look (builtins.attrNames hosts)))
"#;

/// Settings that hold whatever the user's configuration says. All are known to Nix 2.4 and later.
pub(super) const SETTINGS: [(&str, &str); 12] = [
    ("accept-flake-config", "false"),
    ("allow-import-from-derivation", "false"),
    ("allow-unsafe-native-code-during-evaluation", "false"),
    ("builders", ""),
    // Failures would be remembered, and a flake is evaluated once anyway.
    ("eval-cache", "false"),
    ("max-jobs", "0"),
    ("pure-eval", "true"),
    ("show-trace", "false"),
    ("substituters", ""),
    // `REF#nuketown` is looked for below `packages.SYSTEM` and `legacyPackages.SYSTEM` first, and a flake may well
    // have a package of that name. (Nix 2.19 has `#.nuketown` for this, 2.8 has not.) Pure evaluation does not know
    // the system, so no flake can tell.
    ("system", "nuketown-none"),
    ("trace-function-calls", "false"),
    ("warn-dirty", "false"),
];

impl Question {
    /// The attribute path that Nix is asked for.
    pub(super) fn attribute(&self) -> &str {
        match self {
            Self::Attribute(attribute) => attribute,
            Self::Hosts => "nixosConfigurations",
        }
    }

    /// What the answer is.
    pub(super) fn towns<'j>(&self, json: &'j [u8]) -> Towns<'j> {
        match self {
            Self::Attribute(_) => Towns::Town(json),
            Self::Hosts => Towns::Hosts(json),
        }
    }
}

/// The arguments that have Nix print the answer as JSON. `reference` has no fragment.
pub(super) fn arguments(
    reference: &str,
    question: &Question,
    store: Option<&Path>,
    offline: bool,
) -> Vec<OsString> {
    let mut all: Vec<OsString> = [
        "--extra-experimental-features",
        "nix-command flakes",
        "--log-format",
        "internal-json",
        "eval",
        "--json",
    ]
    .map(OsString::from)
    .into();
    // Not `--no-write-lock-file`, which resolves what is not locked and only does not write it down.
    all.push("--no-update-lock-file".into());
    if offline {
        // Retries take up to 9 seconds, and then the message is the same.
        all.push("--offline".into());
    }
    if let Some(store) = store {
        all.extend(["--store".into(), store.into()]);
    }
    for (name, value) in SETTINGS {
        all.extend(["--option", name, value].map(OsString::from));
    }
    if *question == Question::Hosts {
        all.extend(["--apply", HOSTS].map(OsString::from));
    }
    all.push(format!("{reference}{}", super::reference::fragment(question.attribute())).into());
    all
}

/// The first version that decodes percent-encoded paths (release notes of Nix 2.19).
const DECODES: (u32, u32) = (2, 19);

/// Whether the Nix that calls itself this (`nix (Nix) 2.8.0`) decodes percent-encoded paths. Lix counts on from 2.18
/// with 2.90, and took the change over.
pub(super) fn decodes_paths(version: &str) -> bool {
    let number = version.split_whitespace().last().unwrap_or_default();
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= DECODES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(!decodes_paths("nix (Nix) 2.8.0\n"));
        assert!(!decodes_paths("nix (Nix) 2.18.9"));
        assert!(decodes_paths("nix (Nix) 2.19.0"));
        assert!(decodes_paths("nix (Nix) 2.34.8"));
        assert!(decodes_paths("nix (Nix) 3.0pre20301224_abcdef"));
        assert!(decodes_paths("nix (Lix, like Nix) 2.91.1"));
        assert!(!decodes_paths("no version at all"));
    }

    #[test]
    fn the_marker_that_is_traced_is_the_one_that_is_read() {
        assert!(HOSTS.contains(&format!("\"{}", super::super::log::HOST)));
    }
}
