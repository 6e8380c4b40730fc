//! Which part of a town's objects is rendered.

use std::str::FromStr;

use super::Selection;
use crate::{Problem, text::list, values::Malformed};

/// Which part of a town's objects is rendered. Together, `namespace` and `agents` are the town, and no object is in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// What the agents share, and the agents.
    #[default]
    Town,
    /// What the agents share: namespace, bounds, quota, default-deny, the list of agents.
    Namespace,
    /// The agents alone.
    Agents,
}

impl Scope {
    /// The word for it, in a parameter and on a command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Town => "town",
            Self::Namespace => "namespace",
            Self::Agents => "agents",
        }
    }

    /// Whether what the agents share is rendered.
    pub(crate) const fn has_namespace(self) -> bool {
        matches!(self, Self::Town | Self::Namespace)
    }

    /// Whether agents are rendered.
    pub(super) const fn has_agents(self) -> bool {
        matches!(self, Self::Town | Self::Agents)
    }
}

impl FromStr for Scope {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Town, Self::Namespace, Self::Agents];
        let found = all.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| Malformed::new("expected town, namespace or agents"))
    }
}

/// A selection of agents where no agent is rendered.
pub(super) fn problem(selection: &Selection) -> Option<Problem> {
    if selection.scope.has_agents() || selection.agents.is_empty() {
        return None;
    }
    let cause = format!("the selected agents are {}, and the scope is namespace", list(&selection.agents));
    Some(
        Problem::new("agents are selected, and none is rendered", cause)
            .hint("leave the agents out, or use the scope town"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_read_as_it_is_written() {
        for scope in [Scope::Town, Scope::Namespace, Scope::Agents] {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        for bad in ["", "Town", "agent", "all"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
