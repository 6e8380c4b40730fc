//! The confined process: gives up its rights, then does what it was told.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities};

use super::policy::{Action, Confinement, DEVICES, Order, Policy, SYSTEM};
use super::sockets;
use crate::tools;

/// The oldest Landlock that confines: before it, files could be emptied that cannot be written (truncation).
const LEAST: ABI = ABI::V3;
/// The newest that is asked for: device controls (5), signals and abstract sockets (6).
const WANTED: ABI = ABI::V6;
/// The most processes that the agent's user may have while a command runs.
const PROCESSES_MAX: u64 = 4096;

pub(super) fn confine() -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|why| format!("cannot follow the supervisor's death: {why}"))?;
    let mut order = Vec::new();
    std::io::stdin().lock().read_to_end(&mut order).map_err(|why| format!("cannot read the order: {why}"))?;
    let Order { policy, action } =
        serde_json::from_slice(&order).map_err(|why| format!("cannot read the order: {why}"))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nproc, PROCESSES_MAX)?;
    std::env::set_current_dir(&policy.root)
        .map_err(|why| format!("cannot enter {}: {why}", policy.root.display()))?;
    restrict(&policy)?;
    give_up_capabilities()?;
    if !policy.unix_sockets {
        sockets::deny_unix_sockets()?;
    }
    match action {
        Action::Run { program, arguments } => Err(become_program(&program, &arguments)),
        Action::Tool { name, input } => {
            let said = tools::run_file_tool(&policy.root, &name, input);
            let text = serde_json::to_vec(&said).map_err(|why| why.to_string())?;
            std::io::stdout().write_all(&text).map_err(|why| format!("cannot answer: {why}"))
        }
    }
}

/// Returns only with the reason why it did not become the program.
fn become_program(program: &str, arguments: &[String]) -> String {
    // From here on, standard error is the program's, and the supervisor's stays out of its reach.
    if let Err(why) = rustix::stdio::dup2_stderr(rustix::stdio::stdout()) {
        return format!("cannot join the outputs: {why}");
    }
    let why = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
    format!("cannot start {program}: {why}")
}

/// Both limits lowered, or left where they are lower already: an ordinary user cannot raise them.
fn limit(resource: Resource, most: u64) -> Result<(), String> {
    let hard = getrlimit(resource).maximum;
    let limit = Some(hard.map_or(most, |hard| hard.min(most)));
    setrlimit(resource, Rlimit { current: limit, maximum: limit })
        .map_err(|why| format!("cannot set limits: {why}"))
}

/// Gives up what makes root more than its user id, so that a program that it becomes does not get it back: with it, the daemon's
/// environment could be read in spite of Landlock (`perfmon_capable` in the kernel's `mm_access`). Others have none to give up.
fn give_up_capabilities() -> Result<(), String> {
    let failed = |why: rustix::io::Errno| format!("cannot give up capabilities: {why}");
    let held = rustix::thread::capabilities(None).map_err(failed)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(capability) {
                // The kernel is older than this capability.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(why) => return Err(failed(why)),
            }
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(failed)
}

fn restrict(policy: &Policy) -> Result<(), String> {
    let status = landlock(policy);
    match (status, policy.confinement) {
        (Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced), _)
        | (Ok(RulesetStatus::NotEnforced), Confinement::WhereAvailable) => Ok(()),
        (Ok(RulesetStatus::NotEnforced), Confinement::Required) => {
            Err("the kernel has no Landlock (version 3 or later), without which nothing runs here".to_owned())
        }
        (Err(why), _) => Err(format!("cannot confine the process: {why}")),
    }
}

fn landlock(policy: &Policy) -> Result<RulesetStatus, RulesetError> {
    let (read, all) = (AccessFs::from_read(WANTED), AccessFs::from_all(WANTED));
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let least = match policy.confinement {
        Confinement::Required => CompatLevel::HardRequirement,
        Confinement::WhereAvailable => CompatLevel::BestEffort,
    };
    let writable = policy.writable.iter().chain([&policy.root]);
    let created = Ruleset::default()
        .set_compatibility(least)
        .handle_access(AccessFs::from_all(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::Signal | Scope::AbstractUnixSocket)?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(&policy.readable, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(writable, all))?;
    Ok(created.restrict_self()?.ruleset)
}
