# SSH and GPG keys: made at boot where they are missing, and registered at GitHub, before the daemon starts.
{ config, lib, pkgs, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };
  sandbox = import ./sandbox.nix { inherit lib; };

  service = name: agent: lib.mkIf agent.github.enable {
    "nuketown-keys-${name}" = {
      description = "Keys of the nuketown agent ${name}";
      wantedBy = [ "default.target" ];
      unitConfig.ConditionUser = name;
      # GitHub may be out of reach at boot; it is asked again, without end.
      unitConfig.StartLimitIntervalSec = 0;
      path = [ pkgs.coreutils pkgs.gnupg pkgs.openssh ];
      # It never becomes root and opens no device, whatever the agent may do.
      serviceConfig = sandbox { home = names.home name; inherit (cfg) agentsDir; devices = [ ]; sudo = false; } // {
        Type = "oneshot";
        ExecStart = "${cfg.package}/bin/nuketown-identity keys";
        RemainAfterExit = true;
        Restart = "on-failure";
        RestartSec = 60;
        TimeoutStartSec = 120;
      };
    };
  };
in
{
  systemd.user.services = names.perAgent service;
}
