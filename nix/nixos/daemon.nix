# The daemon of each agent: a service of the agent's own user manager, which lingers from boot on.
{ config, lib, pkgs, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };
  sandbox = import ./sandbox.nix { inherit lib; };

  service = name: agent: lib.mkIf (names.model.runsDaemon cfg agent) {
    "nuketown-daemon-${name}" = {
      description = "Nuketown agent ${name}";
      wantedBy = [ "default.target" ];
      wants = lib.optional agent.github.enable "nuketown-keys-${name}.service";
      after = lib.optional agent.github.enable "nuketown-keys-${name}.service";
      # User units are the same for every user of a host; this one is the agent's.
      unitConfig.ConditionUser = name;
      # It is always to run, however often it failed.
      unitConfig.StartLimitIntervalSec = 0;
      path = lib.optional agent.sudo.enable cfg.sudoCommand ++ [
        cfg.package
        pkgs.bash
        pkgs.coreutils
        pkgs.git
        pkgs.gnupg
        pkgs.nix
        pkgs.openssh
        pkgs.tmux
      ] ++ cfg.agentPackages ++ [ "/etc/profiles/per-user/${name}" "/run/current-system/sw" ]
        # The real sudo, which the agent's own one starts.
        ++ lib.optional agent.sudo.enable "/run/wrappers";
      environment = {
        # Where the human's portal looks for the sessions: in the agent's runtime directory, which is nobody else's.
        TMUX_TMPDIR = "%t";
        CLAUDE_CONFIG_DIR = "${names.home name}/.config/claude";
      };
      restartTriggers = [ config.environment.etc.${names.configuration name}.source ];
      serviceConfig = sandbox {
        home = names.home name;
        inherit (cfg) agentsDir;
        inherit (agent) devices;
        sudo = agent.sudo.enable;
      } // {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/nuketown-daemon";
        WorkingDirectory = "%h";
        Restart = "always";
        RestartSec = 5;
        WatchdogSec = 120;
        TimeoutStopSec = 30;
      } // lib.optionalAttrs agent.portal.enable {
        # The sessions that a human looks at outlive a new version of the daemon.
        KillMode = "process";
      };
    };
  };
in
{
  systemd.user.services = names.perAgent service;
}
