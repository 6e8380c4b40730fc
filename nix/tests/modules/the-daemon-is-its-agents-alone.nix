{ lib, host, workstation, daemon, has, programs, ... }:
let
  config = workstation [
    {
      nuketown.agents = {
        ada = { uid = 1100; daemon.enable = true; sudo.enable = true; portal.enable = true; };
        bob = { uid = 1101; daemon.enable = true; };
        eve = { uid = 1102; };
      };
    }
  ];
  ada = daemon config "ada";
  bob = daemon config "bob";
in
{
  "it runs in this user's manager and no other's" = ada.unitConfig.ConditionUser == "ada" && bob.unitConfig.ConditionUser == "bob";
  "without daemon.enable there is none" = !config.systemd.user.services ? nuketown-daemon-eve;
  "it is the package's" = ada.serviceConfig.ExecStart == "${programs}/bin/nuketown-daemon";
  "it is restarted for ever" = ada.serviceConfig.Restart == "always" && ada.unitConfig.StartLimitIntervalSec == 0;
  "a new configuration restarts it" = lib.length ada.restartTriggers == 1;
  "its sudo comes before any other" = lib.head ada.path == config.nuketown.sudoCommand;
  "who may not ask has neither sudo" = !lib.any (entry: entry == config.nuketown.sudoCommand || entry == "/run/wrappers") bob.path;
  "sessions outlive it where a human looks at them" = ada.serviceConfig.KillMode == "process" && !(bob.serviceConfig ? KillMode);
  "no secret is in its environment" = builtins.attrNames ada.environment == [ "CLAUDE_CONFIG_DIR" "TMUX_TMPDIR" ];
}
