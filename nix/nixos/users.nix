# A Unix user per agent, which nobody can log in as.
{ config, lib, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };

  user = name: agent: {
    isNormalUser = true;
    description = "Nuketown agent";
    inherit (agent) uid;
    group = name;
    home = names.home name;
    createHome = true;
    homeMode = "700";
    # No password opens it: the human gets in by a portal.
    hashedPassword = "!";
    # Its services start with the host, and not with a login that never comes; its portal needs the runtime directory.
    linger = names.model.runsDaemon cfg agent || agent.portal.enable;
    packages = [ cfg.package ] ++ cfg.agentPackages;
  };
in
{
  users.users = lib.mapAttrs user cfg.hostAgents;
  users.groups = lib.mapAttrs (_: agent: { gid = agent.uid; }) cfg.hostAgents;

  systemd.tmpfiles.rules = lib.mkIf (cfg.hostAgents != { }) [ "d ${cfg.agentsDir} 0755 root root -" ];
}
