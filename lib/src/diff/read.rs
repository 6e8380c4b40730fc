//! Reads manifests: our own output, possibly edited by hand, or what `kubectl get -o yaml` prints.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    object::{Id, text},
    words::{name, safe},
};
use crate::{Manifests, Problem, text::shown};

/// The largest rendering that is read, in bytes: 10,000 agents need about a third of it.
pub const MAX_RENDERED_BYTES: usize = 256 << 20;

/// Objects nest less deeply than this; what nests deeper would only exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Aliases save typing in a file written by hand. What they unfold to is bounded, as it is in the API server
/// (CVE-2019-11253).
const MAX_ALIASES: usize = 1000;
const MAX_UNFOLDED: usize = 100_000;

/// The longest part of a parser's message that is repeated, in characters.
const MESSAGE_MAX: usize = 200;

/// What a set of manifests says: its objects, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    pub(super) objects: BTreeMap<Id, Value>,
}

impl Rendered {
    /// Reads a YAML stream. Documents may be objects or `List`s of them; empty ones are skipped.
    ///
    /// Plain scalars are read as kubectl reads them (YAML 1.1: `yes` is true). Kinds that are not known are kept.
    ///
    /// # Errors
    ///
    /// A [`Problem`] where the text is no YAML, has a key twice, unfolds beyond any manifest's size, or holds
    /// something that is no object or an object twice.
    pub fn from_yaml(text: &str) -> Result<Self, Problem> {
        Self::from_files([("", text)])
    }

    /// Reads several YAML streams, each with the name that a problem in it is reported under.
    ///
    /// # Errors
    ///
    /// As [`Rendered::from_yaml`]; also where two files hold the same object.
    pub fn from_files<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, Problem> {
        let mut rendered = Self::default();
        for (file, text) in files {
            let place = if file.is_empty() { "the manifests".to_owned() } else { safe(file) };
            for (index, document) in documents(&place, text)?.into_iter().enumerate() {
                rendered.add(&format!("document {} of {place}", index + 1), document)?;
            }
        }
        Ok(rendered)
    }

    /// Takes what [`to_kube_manifests`](crate::to_kube_manifests) made, in the same form as when it is read back.
    ///
    /// # Errors
    ///
    /// Never for manifests that this library makes.
    pub fn from_manifests(manifests: &Manifests) -> Result<Self, Problem> {
        let mut rendered = Self::default();
        for object in manifests.objects() {
            let value = serde_json::to_value(object)
                .map_err(|error| Problem::new("an object has no JSON form", error.to_string()))?;
            rendered.add("the manifests", value)?;
        }
        Ok(rendered)
    }

    pub(super) fn add(&mut self, place: &str, object: Value) -> Result<(), Problem> {
        let refuse = |cause: String| {
            Problem::new("a document is not a Kubernetes object", cause)
                .hint("an object has `apiVersion`, `kind` and `metadata.name`")
        };
        if !object.is_object() {
            return Err(refuse(format!("{place} is {}", shown(&object))));
        }
        if let Some(items) = list_items(&object) {
            for (index, item) in items.iter().enumerate() {
                self.add(&format!("item {} of {place}", index + 1), item.clone())?;
            }
            return Ok(());
        }
        let field = |path: &[&str]| match text(&object, path) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => {
                let found = super::object::at(&object, path).map_or_else(|| "not set".to_owned(), shown);
                Err(refuse(format!("{} of {place} is {found}; expected a text", path.join("."))))
            }
        };
        let (version, kind, own) =
            (field(&["apiVersion"])?, field(&["kind"])?, field(&["metadata", "name"])?);
        let namespace = text(&object, &["metadata", "namespace"]).unwrap_or_default().to_owned();
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let id = Id { kind, group, namespace, name: own };
        if self.objects.contains_key(&id) {
            let cause = format!("{} {} stands in {place} and before it", name(&id.kind), name(&id.name));
            return Err(Problem::new("the manifests hold an object twice", cause)
                .hint("remove one: which of them counts depends on who applies them"));
        }
        self.objects.insert(id, object);
        Ok(())
    }
}

/// The items of a `List` or of a `DeploymentList`, which have no name of their own.
fn list_items(object: &Value) -> Option<&Vec<Value>> {
    let is_list = text(object, &["kind"]).is_some_and(|kind| kind.ends_with("List"));
    let items = object.get("items")?.as_array()?;
    (is_list && text(object, &["metadata", "name"]).is_none()).then_some(items)
}

fn documents(place: &str, text: &str) -> Result<Vec<Value>, Problem> {
    if text.len() > MAX_RENDERED_BYTES {
        let cause =
            format!("{place}: {} MiB, the limit is {} MiB", text.len() >> 20, MAX_RENDERED_BYTES >> 20);
        return Err(Problem::new("the manifests are too large", cause));
    }
    serde_saphyr::from_multiple_with_options::<Value>(text, options(text.len())).map_err(|error| {
        let message: String = safe(&error.without_snippet().to_string()).chars().take(MESSAGE_MAX).collect();
        Problem::new("manifests cannot be read as YAML", format!("{place}: {message}"))
    })
}

/// What is written out costs as much as its text; only what unfolds needs a limit of its own.
fn options(bytes: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: bytes.saturating_add(1),
            // Start and end of each document and collection are events; each needs a byte or two of text.
            max_events: bytes.saturating_mul(4).saturating_add(16),
            max_nodes: bytes.saturating_mul(2).saturating_add(16),
            max_total_scalar_bytes: bytes.saturating_mul(2).saturating_add(16),
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_merge_keys: MAX_ALIASES,
            max_recorded_anchor_events: MAX_UNFOLDED,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_UNFOLDED,
            max_replay_stack_depth: MAX_DEPTH,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: x, namespace: n}\n";

    fn problem(text: &str) -> String {
        let problem = Rendered::from_yaml(text).unwrap_err().to_string();
        assert!(problem.chars().all(|c| c == '\n' || !c.is_control()), "{problem:?}");
        assert!(problem.chars().count() < 600, "{problem}");
        problem
    }

    #[test]
    fn documents_lists_and_empty_documents_are_read() {
        let list = "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n";
        let rendered =
            Rendered::from_yaml(&format!("---\n# nothing\n---\n{ACCOUNT}---\n{list}---\n")).unwrap();
        assert_eq!(rendered.objects.len(), 2);
        assert!(Rendered::from_yaml("").unwrap().objects.is_empty());
    }

    #[test]
    fn scalars_are_read_as_kubectl_reads_them() {
        let text = format!("{ACCOUNT}automountServiceAccountToken: yes\nmode: 0644\n");
        let rendered = Rendered::from_yaml(&text).unwrap();
        let object = rendered.objects.values().next().unwrap();
        assert_eq!((&object["automountServiceAccountToken"], &object["mode"]), (&true.into(), &420.into()));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(problem("just text").contains("document 1 of the manifests is \"just text\""));
        assert!(problem("- a\n- b").contains("[ \"a\" \"b\" ]"));
        assert!(problem("kind: Pod").contains("apiVersion of document 1"));
        assert!(
            problem("apiVersion: v1\nkind: 3\nmetadata: {name: x}")
                .contains("kind of document 1 of the manifests is 3")
        );
        assert!(problem("apiVersion: v1\nkind: [Pod]\nmetadata: {name: x}").contains("[ \"Pod\" ]"));
        assert!(problem("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}").contains("metadata.name"));
        assert!(problem("apiVersion: v1\nkind: Pod\nmetadata: x").contains("metadata.name"));
        assert!(problem("apiVersion: v1\nkind: List\nitems: [3]").contains("item 1 of document 1"));
    }

    #[test]
    fn object_and_key_are_there_once() {
        assert!(problem(&format!("{ACCOUNT}---\n{ACCOUNT}")).contains("twice"));
        assert!(problem(&format!("{ACCOUNT}kind: Pod\n")).contains("cannot be read as YAML"));
        let files = [("a.yaml", ACCOUNT), ("b.yaml", ACCOUNT)];
        assert!(Rendered::from_files(files).unwrap_err().to_string().contains("document 1 of b.yaml"));
    }

    #[test]
    fn hostile_text_is_refused_before_it_costs_anything() {
        let bomb = (0..40).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
            let alias = vec![format!("*a{level}"); 9].join(", ");
            format!("{text}a{0}: &a{0} [{alias}]\n", level + 1)
        });
        problem(&format!("{ACCOUNT}{bomb}"));
        problem(&"[".repeat(100_000));
        problem(&"{a: ".repeat(100_000));
        problem(&(0..2000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n"));
        problem(&"- ".repeat(10_000));
        problem("a: \"never ends");
        problem("a: *unknown");
        problem("\u{1b}[2J: \u{0}");
        problem("%YAML 9.9\n--- !!python/object:os.system {}\n");
        problem(&format!("{ACCOUNT}big: 1e999\n"));
    }

    #[test]
    fn truncated_stream_is_read_or_refused_without_a_panic() {
        let text = format!("{ACCOUNT}data: \"a\\nb\"\n---\n{ACCOUNT}list:\n- {{a: [b, 'c']}}\n");
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = Rendered::from_yaml(&text[..end]);
        }
    }

    #[test]
    fn long_text_is_read_and_shown_short() {
        let long = "ä\u{202e}`".repeat(300_000);
        let quoted = long.replace('\u{202e}', "\\u202e");
        let new = Rendered::from_yaml(&format!("{ACCOUNT}text: \"{quoted}\"\n")).unwrap();
        let old = Rendered::from_yaml(ACCOUNT).unwrap();
        assert!(super::super::diff(&old, &new).to_text().len() < 2000);
        problem(&format!("kind: \"{quoted}\"\napiVersion: v1\n"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "(\\PC|[\\n:{}\\[\\]&*!|>'\"#%@-]){0,200}") {
            let _ = Rendered::from_yaml(&text);
        }
    }
}
