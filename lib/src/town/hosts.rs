//! One town out of several NixOS hosts, each of which declares its part.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::Value;

use super::{Agent, Town, decode};
use crate::{
    Problem,
    text::{attribute, short, shown},
    values::AgentName,
};

/// Reads the towns of several hosts, as a JSON object from host to town, and joins them.
///
/// An agent may be declared on many hosts if all declare the same; what the town shares must be the same everywhere.
///
/// # Errors
///
/// A [`Problem`] that names the host and the option that is malformed, or the two hosts that disagree and on what.
pub fn decode_hosts(json: &[u8]) -> Result<Town, Problem> {
    decode::bounded(json)?;
    let Value::Object(hosts) = decode::parse(json)? else {
        return Err(Problem::new(
            "the hosts' towns are malformed",
            "expected an attribute set from host to town",
        ));
    };
    let mut joined: Option<(String, Town)> = None;
    let mut declared_on: BTreeMap<AgentName, String> = BTreeMap::new();
    for (host, value) in hosts {
        // From here on a host's name is only shown.
        let host = short(&host);
        let town = decode::from_value(&value, &format!("{host}: "))?;
        match &mut joined {
            None => {
                declared_on.extend(town.agents.keys().map(|name| (name.clone(), host.clone())));
                joined = Some((host, town));
            }
            Some((first, all)) => {
                same_outside_agents(first, all, &host, &town)?;
                join_agents(&mut all.agents, town.agents, &mut declared_on, &host)?;
            }
        }
    }
    joined.map(|(_, town)| town).ok_or_else(|| {
        Problem::new("no host declares a town", "nixosConfigurations holds no host with config.nuketown.town")
    })
}

fn same_outside_agents(first: &str, one: &Town, second: &str, other: &Town) -> Result<(), Problem> {
    let bare = |town: &Town| Town { agents: BTreeMap::new(), ..town.clone() };
    let (one, other) = (bare(one), bare(other));
    if one == other {
        return Ok(());
    }
    let cause = disagreement("nuketown", &one, first, &other, second);
    Err(Problem::new(format!("hosts `{first}` and `{second}` declare different towns"), cause)
        .hint("move what the town shares into a module that every host imports"))
}

fn join_agents(
    all: &mut BTreeMap<AgentName, Agent>,
    more: BTreeMap<AgentName, Agent>,
    declared_on: &mut BTreeMap<AgentName, String>,
    host: &str,
) -> Result<(), Problem> {
    for (name, agent) in more {
        match all.entry(name.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(agent);
                declared_on.insert(name, host.to_owned());
            }
            Entry::Occupied(entry) if *entry.get() == agent => {}
            Entry::Occupied(entry) => {
                let first = declared_on.get(&name).map_or("", String::as_str);
                let place = format!("agents.{name}");
                let cause = disagreement(&place, entry.get(), first, &agent, host);
                return Err(Problem::new(
                    format!("agent `{name}` is defined differently on hosts `{first}` and `{host}`"),
                    cause,
                )
                .hint("define an agent in one module and import it on both hosts"));
            }
        }
    }
    Ok(())
}

/// The first option on which two declarations differ, with both values.
fn disagreement<T: serde::Serialize>(place: &str, one: &T, first: &str, other: &T, second: &str) -> String {
    let (one, other) = (serde_json::to_value(one), serde_json::to_value(other));
    let (Ok(one), Ok(other)) = (one, other) else { return format!("{place} differs") };
    let (path, one, other) = first_difference(place.to_owned(), &one, &other);
    format!("{path} is {} on {first} and {} on {second}", shown(one), shown(other))
}

fn first_difference<'v>(path: String, one: &'v Value, other: &'v Value) -> (String, &'v Value, &'v Value) {
    if let (Value::Object(a), Value::Object(b)) = (one, other) {
        let keys = a.keys().chain(b.keys());
        for key in keys {
            let (x, y) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
            if x != y {
                return first_difference(format!("{path}.{}", attribute(key)), x, y);
            }
        }
    }
    (path, one, other)
}
