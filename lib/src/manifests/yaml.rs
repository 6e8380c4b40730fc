//! Objects as text: one YAML stream, one file per agent, or a JSON list.

use std::collections::BTreeMap;

use super::{
    Manifests, Object,
    emit::{Emitter, YamlError},
};

/// The first line of every file that is written to a directory. It marks the files that may be replaced.
pub const HEADER: &str = "# Written by nuketown-render from the town; change the town instead.\n";

/// The name of the file that holds what the agents share. No agent's name starts with a digit, and it sorts first.
const NAMESPACE_FILE: &str = "00-namespace.yaml";

impl Manifests {
    /// All objects as one YAML stream, readable by YAML 1.1 (kubectl, Argo CD) and 1.2 readers alike.
    ///
    /// # Errors
    ///
    /// [`YamlError`], never for objects that this library makes.
    pub fn to_yaml(&self) -> Result<String, YamlError> {
        stream(self.objects(), String::new())
    }

    /// All objects as files of a directory, by name: `00-namespace.yaml` and one per agent.
    ///
    /// # Errors
    ///
    /// As [`Manifests::to_yaml`].
    pub fn to_files(&self) -> Result<BTreeMap<String, String>, YamlError> {
        let mut files = BTreeMap::new();
        if !self.namespace.is_empty() {
            files.insert(NAMESPACE_FILE.to_owned(), stream(self.namespace.iter(), HEADER.to_owned())?);
        }
        for (name, objects) in &self.agents {
            files.insert(format!("{name}.yaml"), stream(objects.iter(), HEADER.to_owned())?);
        }
        Ok(files)
    }

    /// All objects as one JSON document, a `v1` `List`, as `kubectl get -o json` prints it.
    ///
    /// # Errors
    ///
    /// Never for objects that this library makes.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let items: Vec<&Object> = self.objects().collect();
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
        serde_json::to_string_pretty(&list).map(|text| text + "\n")
    }
}

fn stream<'o>(objects: impl Iterator<Item = &'o Object>, mut text: String) -> Result<String, YamlError> {
    append(&mut Emitter::default(), objects, &mut text)?;
    Ok(text)
}

/// Adds objects to a stream.
pub(super) fn append<'o>(
    emitter: &mut Emitter,
    objects: impl Iterator<Item = &'o Object>,
    text: &mut String,
) -> Result<(), YamlError> {
    for object in objects {
        text.push_str("---\n");
        emitter.append(object, Some(std::mem::discriminant(object)), text)?;
    }
    Ok(())
}
