# Options that are set and have no effect where the agent runs, as the renderer says them (lib/src/plan/warning.rs).
{ lib }:

town:
let
  model = import ../town/model.nix { inherit lib; };
  identity = agent: agent.cloud.identity;
  isTuned = agent:
    let cloud = agent.cloud; in
    cloud.image != null || cloud.imageDerivation != null || cloud.resources != null || cloud.scaling.maxResources != null
    || cloud.scaling.idleTimeout != null || cloud.persistSizes != { } || lib.any (value: value != null) (lib.attrValues (identity agent));

  ofAgent = name: agent:
    let
      where = model.deploymentModel town agent;
      isCloud = where == "cloud";
      note = condition: option: why: lib.optional condition "nuketown: agents.${name}.${option} has no effect: ${name} is a ${where} agent: ${why}";
    in
    note (isCloud && agent.portal.enable) "portal.enable" "nobody sits at a pod, you talk to it over XMPP"
    ++ note (isCloud && agent.devices != [ ]) "devices" "a pod has no hardware of its own"
    ++ note (isCloud && agent.daemon.enable == false) "daemon.enable" "the daemon is what the pod runs"
    ++ note (!isCloud && isTuned agent) "cloud" "it takes part only with cloud.enable"
    ++ note (!isCloud && agent.network.egress != [ ]) "network.egress" "the host's firewall decides what it reaches"
    ++ note (!model.runsDaemon town agent && agent.xmpp.enable == true) "xmpp.enable" "without daemon.enable nothing connects"
    ++ note (!agent.sudo.enable && agent.sudo.preApproved != [ ]) "sudo.preApproved" "sudo.enable is off";
in
lib.concatLists (lib.mapAttrsToList ofAgent town.agents)
++ lib.optional (town.btrfsDevice != null && !lib.any (agent: model.deploymentModel town agent == "workstation") (lib.attrValues town.agents))
  "nuketown: btrfsDevice has no effect: no agent of the town is a workstation agent: only their homes are rolled back on btrfs"
++ lib.optional (town.approver == null && lib.any (model.isCloud town) (lib.attrValues town.agents))
  "nuketown: nobody can approve what the agents ask for: approver is not set, so every request of a cloud agent is refused"
