//! What a change of the manifests means, in words: the diff that a reviewer reads.
//!
//! It works on rendered objects alone, so that a directory of YAML and a flake that was just rendered are compared in
//! one way.
//!
//! # Expected flow
//!
//! [`Rendered::from_yaml`] or [`Rendered::from_manifests`], twice → [`diff`] → [`Diff::to_text`].
//!
//! # Invariants
//!
//! - Two renderings that differ in any value of any object give a diff that is not empty; equal ones, whatever the
//!   order of their documents and keys, give an empty one.
//! - What no aspect has words for is listed by its path, so nothing is silently left out.
//! - An annotation never stands for the rules that it describes.
//! - What comes from a manifest cannot move the reader's cursor, nor pass for words of the diff's own in Markdown.

mod agent;
mod change;
mod egress;
mod files;
mod hardening;
mod identity;
mod image;
mod json;
mod markdown;
mod object;
mod permissions;
mod plain;
mod policy;
mod read;
mod resources;
mod restart;
mod route;
mod rules;
mod section;
#[cfg(test)]
mod tests;
mod town;
mod volumes;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use read::{MAX_RENDERED_BYTES, Rendered};
use serde_json::Value;

use object::{Id, Objects, Subject, acts, owner};
use section::{Pair, Section};
use town::Rename;

/// What differs between two renderings.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// Changed agents, added ones, removed ones, each in the order of their names; then what they share.
    sections: Vec<Section>,
    /// Whether names of agents need their namespace to be told apart.
    with_namespace: bool,
}

impl Diff {
    /// Whether both renderings say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// What a section is about, as its summary starts.
    fn title(&self, subject: &Subject) -> String {
        match subject {
            Subject::Town => "town".to_owned(),
            Subject::Agent { namespace, name } if self.with_namespace => {
                format!("{}/{}", words::name(namespace), words::name(name))
            }
            Subject::Agent { name, .. } => words::name(name),
        }
    }

    /// The summary of a section behind its title.
    fn summary(section: &Section) -> String {
        let phrases = section.phrases.join(", ");
        match (section.verdict, phrases.is_empty()) {
            (section::Verdict::Changed, false) => phrases,
            (verdict, true) => verdict.as_str().to_owned(),
            (section::Verdict::Added, false) => format!("added ({phrases})"),
            (section::Verdict::Removed, false) => format!("removed; {phrases}"),
        }
    }

    /// Everything that needs attention, with the title of its section.
    fn alerts(&self) -> impl Iterator<Item = (String, &str)> {
        self.sections.iter().flat_map(|section| {
            section.alerts.iter().map(|(_, text)| (self.title(&section.subject), text.as_str()))
        })
    }
}

/// Compares two renderings.
#[must_use]
pub fn diff(old: &Rendered, new: &Rendered) -> Diff {
    let rename = renamed(old, new);
    let by_subject = pairs(old, new, rename.as_ref());
    let namespaces: BTreeSet<&str> = by_subject
        .keys()
        .filter_map(|subject| match subject {
            Subject::Agent { namespace, .. } => Some(namespace.as_str()),
            Subject::Town => None,
        })
        .collect();
    let with_namespace = namespaces.len() > 1;
    let left_behind: Vec<&Value> = old
        .objects
        .iter()
        .filter(|(id, _)| id.kind == "PersistentVolumeClaim")
        .map(|(_, claim)| claim)
        .collect();
    let nothing = || (Objects::new(), Objects::new());
    let mut sections: Vec<Section> = Vec::new();
    for (subject, (old, new)) in &by_subject {
        if let Subject::Agent { name, .. } = subject {
            let pair = Pair { subject, old: old.clone(), new: new.clone() };
            sections.extend(agent::compare(&pair, name, rename.as_ref()));
        }
    }
    let (shared_old, shared_new) = by_subject.get(&Subject::Town).cloned().unwrap_or_else(nothing);
    let pair = Pair { subject: &Subject::Town, old: shared_old, new: shared_new };
    sections.sort_by_key(|section| section.verdict);
    sections.extend(town::compare(&pair, rename.as_ref(), &left_behind));
    Diff { sections, with_namespace }
}

/// A town that moved to another namespace as a whole: both renderings have one, and not the same.
fn renamed<'r>(old: &'r Rendered, new: &'r Rendered) -> Option<Rename<'r>> {
    let only = |rendered: &'r Rendered| -> Option<&'r str> {
        let names =
            rendered.objects.keys().map(|id| if id.kind == "Namespace" { &id.name } else { &id.namespace });
        let names: BTreeSet<&str> = names.map(String::as_str).filter(|name| !name.is_empty()).collect();
        let mut names = names.into_iter();
        names.next().filter(|_| names.next().is_none())
    };
    let (old, new) = (only(old)?, only(new)?);
    (old != new).then_some(Rename { old, new })
}

type BySubject<'r> = BTreeMap<Subject, (Objects<'r>, Objects<'r>)>;

/// The objects of both renderings by what they belong to; those of a renamed namespace under its old name.
fn pairs<'r>(old: &'r Rendered, new: &'r Rendered, rename: Option<&Rename<'_>>) -> BySubject<'r> {
    let mut subjects = BySubject::new();
    let mut owners: BTreeMap<Id, Subject> = BTreeMap::new();
    for (id, object) in &new.objects {
        let id = rename.map_or_else(|| id.clone(), |rename| under_old_name(id, rename));
        let owner = owner(&id, object);
        if !acts(&id.kind) {
            owners.insert(id.clone(), owner.clone());
        }
        subjects.entry(owner).or_default().1.insert(id, object);
    }
    for (id, object) in &old.objects {
        // One that changes hands is one object still, and with the new owner.
        let owner = owners.get(id).cloned().unwrap_or_else(|| owner(id, object));
        subjects.entry(owner).or_default().0.insert(id.clone(), object);
    }
    subjects
}

fn under_old_name(id: &Id, rename: &Rename<'_>) -> Id {
    let mut id = id.clone();
    if id.namespace == rename.new {
        rename.old.clone_into(&mut id.namespace);
    }
    if id.kind == "Namespace" && id.name == rename.new {
        rename.old.clone_into(&mut id.name);
    }
    id
}
