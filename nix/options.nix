# The options of a town, as a module: used by `nuketown.lib.mkTown` on nixpkgs' library alone, and by the NixOS module.
#
# The same options in Rust (lib/src/town) read the town that this makes. nix/tests compares the two: names, defaults and values.
# docs/options.md is made of the descriptions here: tools/options-doc.
{ lib, ... }:

let
  types = import ./types.nix { inherit lib; };
  inherit (lib) mkOption;
  inherit (lib.types) nullOr str submodule;
in
{
  options.nuketown = {
    domain = mkOption {
      type = types.hostName;
      example = "6bit.com";
      description = ''
        The domain of the agents' addresses: `<name>@<domain>` is an agent's mail address and JID.
      '';
    };
    approver = mkOption {
      type = nullOr types.bareJid;
      default = null;
      example = "josh@6bit.com";
      description = ''
        The human whose approval counts, by bare JID. Unset: every request of a cloud agent is refused.
      '';
    };
    approvalTimeout = mkOption {
      type = types.approvalTimeout;
      default = 120;
      example = 60;
      description = ''
        Seconds to wait for a human's answer before a request is refused. A later answer changes nothing.
      '';
    };
    agentsDir = mkOption {
      type = types.absoluteDir;
      default = "/agents";
      example = "/home/agents";
      description = ''
        The directory that holds the agents' homes. Nothing of the system's may lie there.
      '';
    };
    btrfsDevice = mkOption {
      type = nullOr str;
      default = null;
      example = "8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f";
      description = ''
        UUID of the btrfs device with a workstation's ephemeral homes: each boot starts with an empty one, and what is not in
        `persist` is gone. Unset: homes are kept. Without effect in the cloud.
      '';
    };
    cloud = import ./options/cloud.nix { inherit lib types; };
    agents = mkOption {
      type = types.namedBy types.agentName (submodule { options = import ./options/agent.nix { inherit lib types; }; });
      default = { };
      example = { ada = { role = "software"; persist = [ "projects" ]; }; };
      description = ''
        The agents, by name. A name is the Unix user on a host, and part of the objects' names in the cluster.
      '';
    };
  };
}
