# Paths and names that several parts of the module share.
{ config, lib }:

let
  cfg = config.nuketown;
in
{
  model = import ../town/model.nix { inherit lib; };

  # A mapping over the host's agents, as one set of definitions.
  perAgent = f: lib.mkMerge (lib.mapAttrsToList f cfg.hostAgents);

  home = name: "${cfg.agentsDir}/${name}";

  # Where the agent's home files are, whatever becomes of its home.
  configuration = name: "nuketown/agents/${name}";

  # Where the broker listens. Everybody may connect and is told apart by the uid on the socket: nuketown-sudo comes as root, with
  # the agent's user and without its groups.
  runtimeDirectory = "/run/nuketown-broker";
  socket = "/run/nuketown-broker/socket";
  brokerUser = "nuketown-broker";

  # Whoever decides on this host.
  approver = if cfg.human != null then cfg.human else "nuketown-broker";

  # A workstation's homes are empty at each boot.
  isEphemeral = agent: cfg.btrfsDevice != null && agent.portal.enable;

  # What outlives a boot: keys too, where the agent makes them.
  kept = agent: lib.unique (agent.persist ++ lib.optionals agent.github.enable [ ".ssh" ".gnupg" ]);
}
