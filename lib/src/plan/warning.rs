//! Options that are set and have no effect where the agent runs.

use crate::{
    DeploymentModel, Problem, Town,
    town::{Agent, AgentCloud},
};

/// What a town declares without effect, each with the deployment model that is why.
pub(crate) fn warnings(town: &Town) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for (name, agent) in &town.agents {
        let model = DeploymentModel::of(town, agent);
        for (option, why) in without_effect(agent, model) {
            warnings.push(Problem::new(
                format!("agents.{name}.{option} has no effect"),
                format!("{name} is a {model} agent: {why}"),
            ));
        }
    }
    unanswered(town, &mut warnings);
    if town.btrfs_device.is_some() && none_is(town, DeploymentModel::Workstation) {
        warnings.push(Problem::new(
            "btrfsDevice has no effect",
            "no agent of the town is a workstation agent: only their homes are rolled back on btrfs",
        ));
    }
    warnings
}

fn none_is(town: &Town, model: DeploymentModel) -> bool {
    town.agents.values().all(|agent| DeploymentModel::of(town, agent) != model)
}

fn without_effect(agent: &Agent, model: DeploymentModel) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let mut note = |set: bool, option, why| {
        if set {
            found.push((option, why));
        }
    };
    let cloud = model == DeploymentModel::Cloud;
    note(cloud && agent.portal.enable, "portal.enable", "nobody sits at a pod, you talk to it over XMPP");
    note(cloud && !agent.devices.is_empty(), "devices", "a pod has no hardware of its own");
    note(cloud && agent.daemon.enable == Some(false), "daemon.enable", "the daemon is what the pod runs");
    note(!cloud && tuned(&agent.cloud), "cloud", "it takes part only with cloud.enable");
    note(
        !cloud && !agent.network.egress.is_empty(),
        "network.egress",
        "the host's firewall decides what it reaches",
    );
    let daemon = agent.runs_daemon(model);
    note(!daemon && agent.xmpp.enable == Some(true), "xmpp.enable", "without daemon.enable nothing connects");
    let idle_patterns = !agent.sudo.enable && !agent.sudo.pre_approved.is_empty();
    note(idle_patterns, "sudo.preApproved", "sudo.enable is off");
    found
}

/// Whether anything beyond `enable` is set.
fn tuned(cloud: &AgentCloud) -> bool {
    AgentCloud { enable: None, ..cloud.clone() } != AgentCloud::default()
}

fn unanswered(town: &Town, warnings: &mut Vec<Problem>) {
    if town.approver.is_some() || none_is(town, DeploymentModel::Cloud) {
        return;
    }
    warnings.push(
        Problem::new(
            "nobody can approve what the agents ask for",
            "approver is not set, so every request of a cloud agent is refused",
        )
        .hint("set approver to the JID of the human who decides"),
    );
}
