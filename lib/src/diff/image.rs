//! The images that an agent's containers run.

use std::collections::BTreeMap;

use super::{
    object::{Objects, items, pod_spec, text},
    section::{Aspect, Pool, Section},
    words::{change, name},
};

/// Containers by image, of all pods of an agent.
pub(super) fn images(objects: &Objects<'_>) -> BTreeMap<String, Vec<String>> {
    let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in objects.values().filter_map(|object| pod_spec(object)) {
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in items(pod, &[list]) {
                let image = text(container, &["image"]).map_or_else(|| "no image".to_owned(), name);
                images
                    .entry(image)
                    .or_default()
                    .push(text(container, &["name"]).map_or_else(String::new, name));
            }
        }
    }
    images
}

/// Says which image is replaced by which, once for all containers that share the step.
pub(super) fn explain(pool: &mut Pool, section: &mut Section) {
    let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let taken = pool.take(|change| {
        let path = change.path();
        matches!(path.as_slice(), ["spec", "template", "spec", "containers" | "initContainers", _, "image"])
    });
    for step in &taken {
        let container = step.path.get(4).map_or("", |segment| segment.trim_matches(['[', ']']));
        steps.entry(change(step.old.as_ref(), step.new.as_ref())).or_default().push(name(container));
    }
    for (step, containers) in steps {
        // The init container runs from the agent's image; that both change is not worth a word.
        let usual = containers == ["agent", "identity-init"];
        let containers = if usual { String::new() } else { format!(" ({})", containers.join(", ")) };
        section.line(Aspect::Image, format!("{step}{containers}"));
    }
    if !taken.is_empty() {
        section.phrase("new image");
    }
}
