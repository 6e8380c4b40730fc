//! Rules on a town that no single value can break.

use std::collections::BTreeMap;

use super::{jids, unknown_agent, volume};
use crate::{
    Problem, Town,
    text::quoted,
    town::{Agent, Taint, TaintEffect, TaintOperator, Tier},
    values::{AgentName, BareJid, TierName},
};

/// The problems of the town as a whole and of each of its agents, wherever they run.
pub(super) fn town(town: &Town) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, tier) in &town.cloud.tiers {
        check_tier(name, tier, &mut problems);
    }
    problems.extend(homes_are_apart(town));
    problems.extend(volume::usable_size("cloud.defaultPersistSize", town.cloud.default_persist_size));
    problems.extend(volume::usable_size("cloud.homeSize", town.cloud.home_size));
    for name in town.cloud.agents.keys().filter(|name| !town.agents.contains_key(*name)) {
        problems.push(unknown_agent("cloud.agents names an agent that the town has not:", name, town));
    }
    for (name, agent) in &town.agents {
        pre_approved(name, agent, &mut problems);
    }
    one_account_each(town, &mut problems);
    problems
}

/// Directories that a pod, its runtime or its image need for themselves: a home that is mounted on one of them, or
/// inside, hides it or cannot be mounted.
const TAKEN: [&str; 7] = ["/dev", "/etc", "/nix", "/proc", "/run", "/sys", "/var/run"];

fn homes_are_apart(town: &Town) -> Option<Problem> {
    let dir = town.agents_dir.as_str();
    let taken = TAKEN
        .iter()
        .find(|taken| dir.strip_prefix(*taken).is_some_and(|r| r.is_empty() || r.starts_with('/')))?;
    let cause = format!("agentsDir is {}; {taken} is used by the system", quoted(dir));
    Some(
        Problem::new("the agents' homes have no place of their own", cause)
            .hint("use a directory such as \"/agents\""),
    )
}

fn check_tier(name: &TierName, tier: &Tier, problems: &mut Vec<Problem>) {
    let mut refuse = |cause: String| problems.push(Problem::new(format!("tier `{name}` is unusable"), cause));
    let place = format!("cloud.tiers.{}", crate::text::attribute(name.as_str()));
    if tier.cpu.is_zero() {
        refuse(format!("{place}.cpu is 0; a pod without CPU does not run"));
    }
    if tier.memory.is_zero() || !tier.memory.is_whole() {
        refuse(format!("{place}.memory is \"{}\"; expected whole bytes, such as \"4Gi\"", tier.memory));
    }
    for (key, amount) in &tier.resources {
        let place = format!("{place}.resources.{}", quoted(key.as_str()));
        // The API server's rules for extended resources (IsExtendedResourceName).
        let native = ["kubernetes.io/", "requests."].iter().any(|prefix| key.as_str().starts_with(prefix));
        if !key.as_str().contains('/') || native {
            refuse(format!(
                "{place} is no extended resource; expected a name with a domain, such as \"nvidia.com/gpu\""
            ));
        } else if amount.is_zero() || !amount.is_whole() {
            refuse(format!("{place} is \"{amount}\"; expected a whole number of at least 1"));
        }
    }
    for (index, taint) in tier.tolerations.iter().enumerate() {
        if let Some(cause) = malformed_toleration(taint) {
            refuse(format!("{place}.tolerations[{index}]: {cause}"));
        }
    }
}

/// The rules of the API server's validation of `Toleration`.
fn malformed_toleration(taint: &Taint) -> Option<&'static str> {
    match taint {
        Taint { operator: TaintOperator::Exists, value: Some(_), .. } => {
            Some("a value is compared by operator \"Equal\" only")
        }
        Taint { operator: TaintOperator::Equal, key: None, .. } => {
            Some("without a key, the operator must be \"Exists\"; every taint is tolerated then")
        }
        Taint { toleration_seconds: Some(_), effect, .. } if *effect != Some(TaintEffect::NoExecute) => {
            Some("tolerationSeconds is for effect \"NoExecute\" only")
        }
        _ => None,
    }
}

/// A pre-approved command names its program: a pattern in the first word would approve any program at all.
fn pre_approved(name: &AgentName, agent: &Agent, problems: &mut Vec<Problem>) {
    for (index, pattern) in agent.sudo.pre_approved.iter().enumerate() {
        let program = pattern.split_whitespace().next();
        let why = match program {
            _ if pattern.chars().any(char::is_control) => "it holds a control character",
            None => "it is empty",
            Some(program) if program.contains('*') => "its first word must be one program, without \"*\"",
            Some(_) => continue,
        };
        problems.push(
            Problem::new(
                format!("agent `{name}` has a pre-approved command that cannot be matched"),
                format!("agents.{name}.sudo.preApproved[{index}] is {}; {why}", quoted(pattern)),
            )
            .hint("write the program and its arguments, such as \"systemctl restart *\""),
        );
    }
}

/// Each agent on XMPP has an account, and not another's: two would push each other off the server.
fn one_account_each(town: &Town, problems: &mut Vec<Problem>) {
    let mut accounts: BTreeMap<String, &AgentName> = BTreeMap::new();
    for (name, account) in jids(town) {
        if let Err(error) = account.parse::<BareJid>() {
            problems.push(
                Problem::new(
                    format!("agent `{name}` has no valid XMPP account"),
                    format!(
                        "agents.{name}.xmpp.jid is not set, and {} does not serve; {error}",
                        quoted(&account)
                    ),
                )
                .hint(format!("set agents.{name}.xmpp.jid")),
            );
        }
        if let Some(other) = accounts.insert(account.clone(), name) {
            problems.push(
                Problem::new(
                    format!("agents `{other}` and `{name}` have one XMPP account"),
                    format!("agents.{other}.xmpp.jid and agents.{name}.xmpp.jid are both \"{account}\""),
                )
                .hint("give each agent an account of its own"),
            );
        }
    }
}
