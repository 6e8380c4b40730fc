# The workstation agent of the architecture.
{ lib, workstation, isSound, daemon, names, has, ... }:
let
  config = workstation [
    {
      nuketown.agents.ada = {
        uid = 1100;
        role = "software";
        description = ''
          Software collaborator on signi. Works with josh on embedded
          systems, NixOS configuration, and web projects.
        '';
        portal.enable = true;
        sudo.enable = true;
        daemon.enable = true;
        xmpp.enable = true;
        devices = [ ];
        persist = [ "projects" ".config/claude" ];
      };
    }
  ];
in
{
  "it is refused for nothing" = isSound config;
  "nothing is without effect" = config.warnings == [ ];
  "there is a portal" = map (package: package.name) config.environment.systemPackages == [ "portal-ada" ];
  "the daemon runs" = (daemon config "ada").serviceConfig.Type == "notify";
  "its account's password is a file of its own" = names config.sops.secrets == [ "ada/email-password" ];
}
