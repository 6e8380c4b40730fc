//! What is said of one subject: a summary, a line per aspect, and what needs attention.

use super::{
    change::Change,
    object::{Objects, Subject},
    words::safe,
};

/// What a line is about, in the order in which lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aspect {
    Namespace,
    Quota,
    Limits,
    Resources,
    Egress,
    Volumes,
    Image,
    Identity,
    Permissions,
    Configuration,
    Labels,
    Other,
    Cluster,
    Restarts,
}

impl Aspect {
    /// The word in front of a line. These words are part of the JSON form.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Quota => "quota",
            Self::Limits => "limits",
            Self::Resources => "resources",
            Self::Egress => "egress",
            Self::Volumes => "volumes",
            Self::Image => "image",
            Self::Identity => "identity",
            Self::Permissions => "permissions",
            Self::Configuration => "configuration",
            Self::Labels => "labels",
            Self::Other => "other",
            Self::Cluster => "cluster",
            Self::Restarts => "restarts",
        }
    }
}

/// Why a reviewer should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Kubernetes refuses to apply it.
    Refused,
    /// Data is deleted or left behind.
    DataLoss,
    /// Something is opened or weakened that the town's own manifests never open.
    Exposure,
    /// It is applied, and does not do what it seems to.
    NoEffect,
}

impl Reason {
    /// The word of the JSON form.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::DataLoss => "data-loss",
            Self::Exposure => "exposure",
            Self::NoEffect => "no-effect",
        }
    }
}

/// Whether a subject is in one rendering or in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Changed,
    Added,
    Removed,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// Both renderings of one subject.
pub(super) struct Pair<'p> {
    pub(super) subject: &'p Subject,
    pub(super) old: Objects<'p>,
    pub(super) new: Objects<'p>,
}

impl Pair<'_> {
    /// The agent's name, where the subject is one.
    pub(super) fn agent(&self) -> Option<&str> {
        match self.subject {
            Subject::Agent { name, .. } => Some(name),
            Subject::Town => None,
        }
    }
}

/// All that is said of one subject.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    pub(super) subject: Subject,
    pub(super) verdict: Verdict,
    /// The summary, as phrases.
    pub(super) phrases: Vec<String>,
    /// By aspect; several of one aspect stay in the order in which they were said.
    pub(super) lines: Vec<(Aspect, String)>,
    pub(super) alerts: Vec<(Reason, String)>,
    /// Every place that differs, for machines.
    pub(super) fields: Vec<Change>,
    /// Whether the pod is made anew, where the agent had one before and has one after.
    pub(super) restarts: Option<bool>,
}

impl Section {
    pub(super) fn new(subject: &Subject, verdict: Verdict, fields: Vec<Change>) -> Self {
        let (phrases, lines, alerts) = (Vec::new(), Vec::new(), Vec::new());
        Self { subject: subject.clone(), verdict, phrases, lines, alerts, fields, restarts: None }
    }

    /// Adds to the summary.
    pub(super) fn phrase(&mut self, text: impl AsRef<str>) {
        self.phrases.push(safe(text.as_ref()));
    }

    /// Adds a line.
    pub(super) fn line(&mut self, aspect: Aspect, text: impl AsRef<str>) {
        self.lines.push((aspect, safe(text.as_ref())));
    }

    /// Adds something that needs attention.
    pub(super) fn alert(&mut self, reason: Reason, text: impl AsRef<str>) {
        self.alerts.push((reason, safe(text.as_ref())));
    }

    /// The lines, by aspect.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (Aspect, &str)> {
        let mut lines: Vec<(Aspect, &str)> =
            self.lines.iter().map(|(aspect, text)| (*aspect, text.as_str())).collect();
        lines.sort_by_key(|(aspect, _)| *aspect);
        lines.into_iter()
    }

    /// Whether it is about an agent, not about the town.
    pub(super) fn is_agent(&self) -> bool {
        matches!(self.subject, Subject::Agent { .. })
    }

    pub(super) fn has(&self, aspect: Aspect) -> bool {
        self.lines.iter().any(|(of, _)| *of == aspect)
    }
}

/// The changes that no aspect has put in words yet.
pub(super) struct Pool(pub(super) Vec<Change>);

impl Pool {
    /// Takes out what `wanted` explains.
    pub(super) fn take(&mut self, wanted: impl Fn(&Change) -> bool) -> Vec<Change> {
        self.0.extract_if(.., |change| wanted(change)).collect()
    }
}
