//! One agent in two renderings.

use super::{
    change::between,
    egress, files, identity, image,
    object::Id,
    permissions, resources, restart,
    route::{self, explain_rest, summarise},
    section::{Aspect, Pair, Pool, Section, Verdict},
    town::{Rename, is_rename},
    volumes,
};

/// Everything that is to be said of an agent; nothing where its objects are equal.
pub(super) fn compare(pair: &Pair<'_>, agent: &str, rename: Option<&Rename<'_>>) -> Option<Section> {
    let mut fields = files::expand(between(&pair.old, &pair.new));
    fields.retain(|change| !is_rename(change, rename));
    if fields.is_empty() {
        return None;
    }
    Some(if pair.old.is_empty() {
        added(pair, agent, Section::new(pair.subject, Verdict::Added, fields))
    } else if pair.new.is_empty() {
        removed(pair, agent, Section::new(pair.subject, Verdict::Removed, fields))
    } else {
        changed(pair, agent, Section::new(pair.subject, Verdict::Changed, fields))
    })
}

type Explain = fn(&Pair<'_>, &str, &mut Pool, &mut Section);

fn changed(pair: &Pair<'_>, agent: &str, mut section: Section) -> Section {
    let mut pool = Pool(section.fields.clone());
    let aspects: [(Aspect, Explain); 7] = [
        (Aspect::Resources, resources::explain),
        (Aspect::Egress, |pair, _, pool, section| egress::explain(pair, pool, section)),
        (Aspect::Volumes, volumes::explain),
        (Aspect::Image, |_, _, pool, section| image::explain(pool, section)),
        (Aspect::Identity, |_, _, pool, section| identity::explain(pool, section)),
        (Aspect::Permissions, |pair, _, pool, section| permissions::explain(pair, pool, section)),
        (Aspect::Restarts, restart::explain),
    ];
    let mut said = Vec::new();
    for (aspect, explain) in aspects {
        let before = section.phrases.len();
        explain(pair, agent, &mut pool, &mut section);
        if section.phrases.len() > before {
            said.push(aspect);
        }
    }
    files::explain(&mut pool, &mut section);
    files::check(Some(&pair.old), &pair.new, &mut section);
    explain_rest(&mut pool, Some(agent), &mut section);
    summarise(&mut section, &said);
    section
}

fn added(pair: &Pair<'_>, agent: &str, mut section: Section) -> Section {
    let amounts = resources::amounts(&pair.new, agent);
    let sizes: Vec<String> = resources::in_order(&amounts)
        .into_iter()
        .map(|(key, amount)| resources::amount(key, amount))
        .collect();
    for size in &sizes {
        section.phrase(size);
    }
    let tier = resources::tier(&pair.new).map_or_else(String::new, |tier| format!("tier {tier}: "));
    let sizes = if sizes.is_empty() { "no limits".to_owned() } else { sizes.join(", ") };
    section.line(Aspect::Resources, format!("{tier}{sizes}"));
    volumes::introduce(pair, agent, &mut section);
    egress::introduce(pair, &mut section);
    for (image, containers) in image::images(&pair.new) {
        section.line(Aspect::Image, format!("{image} ({})", containers.join(", ")));
    }
    identity::introduce(&pair.new, &mut section);
    permissions::introduce(pair, &mut section);
    files::check(None, &pair.new, &mut section);
    unusual(agent, &mut section);
    section
}

fn removed(pair: &Pair<'_>, agent: &str, mut section: Section) -> Section {
    volumes::leave(pair, &mut section);
    unusual(agent, &mut section);
    section
}

/// Objects that the renderer never makes are shown with all that they say.
fn unusual(agent: &str, section: &mut Section) {
    let usual = |id: &Id| match id.kind.as_str() {
        "ServiceAccount" | "ConfigMap" | "Deployment" => id.name == format!("nuketown-{agent}"),
        "PersistentVolumeClaim" | "NetworkPolicy" | "CiliumNetworkPolicy" | "FQDNNetworkPolicy" => true,
        _ => false,
    };
    let unusual: Vec<_> = section.fields.iter().filter(|change| !usual(&change.id)).cloned().collect();
    for change in unusual {
        for line in route::generic(&change, Some(agent)) {
            section.line(route::aspect(&change), line);
        }
    }
}
