# The town as the host declares it: for nuketown-render, and for the rest of this module.
{ config, lib, options, ... }:

let
  cfg = config.nuketown;
  model = import ../town/model.nix { inherit lib; };
in
{
  # Of all that a host is, only its options below `nuketown` are evaluated for this.
  nuketown.town =
    # A host may import the module for later.
    if cfg.agents == { } && !options.nuketown.domain.isDefined then null
    else import ../town/project.nix { inherit lib; } cfg;

  nuketown.hostAgents = lib.filterAttrs (_: agent: !model.isCloud cfg agent) cfg.agents;
}
