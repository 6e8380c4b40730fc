# Where requests are decided: at the human's broker, for which this prepares a place, or at one of the host's own.
{ config, lib, pkgs, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };
  asking = lib.filterAttrs (_: agent: agent.sudo.enable) cfg.hostAgents;

  toml = (pkgs.formats.toml { }).generate;

  # Who is who, and where things are.
  settings = {
    inherit (names) socket;
    audit = "/var/lib/nuketown-broker/audit.jsonl";
    policy = "/etc/nuketown/policy.toml";
    dialog = "never";
    agents = lib.mapAttrs
      (name: agent: { inherit (agent) uid role; }
        // lib.optionalAttrs (names.model.isOnXmpp cfg agent) { jid = names.model.jid cfg name agent; })
      asking;
  }
  // lib.optionalAttrs (cfg.broker.jid != null) {
    xmpp = { inherit (cfg.broker) jid; password_file = "/run/secrets/${cfg.broker.passwordSecret}"; }
      // lib.optionalAttrs (cfg.broker.server != null) { inherit (cfg.broker) server; };
  };

  # Who may ask for what.
  policy = {
    timeout = cfg.approvalTimeout;
    agents = lib.mapAttrs
      (_: agent: {
        may = [ "sudo" ] ++ lib.optional (names.model.runsDaemon cfg agent) "delegate";
        pre_approved = agent.sudo.preApproved;
      })
      asking;
  } // lib.optionalAttrs (cfg.approver != null) { inherit (cfg) approver; };
in
{
  config = lib.mkMerge [
    # The human's broker is an ordinary user's program: its socket needs a directory that it alone can write to, or an agent could
    # put another socket there.
    (lib.mkIf (asking != { } && !cfg.broker.enable && cfg.human != null) {
      systemd.tmpfiles.rules = [ "d ${names.runtimeDirectory} 0755 ${cfg.human} root -" ];
    })
    (lib.mkIf cfg.broker.enable {
      users.users.${names.brokerUser} = { isSystemUser = true; group = names.brokerUser; description = "Nuketown broker"; };
      users.groups.${names.brokerUser} = { };
      environment.etc."nuketown/broker.toml".source = toml "broker.toml" settings;
      environment.etc."nuketown/policy.toml".source = toml "policy.toml" policy;

      systemd.services.nuketown-broker = {
        description = "Nuketown broker: decides what agents may run";
        wantedBy = [ "multi-user.target" ];
        wants = [ "network-online.target" ];
        after = [ "network-online.target" ];
        restartTriggers = map (file: config.environment.etc.${file}.source) [ "nuketown/broker.toml" "nuketown/policy.toml" ];
        serviceConfig = {
          Type = "notify";
          ExecStart = "${cfg.package}/bin/nuketown-broker run --config /etc/nuketown/broker.toml";
          Restart = "on-failure";
          RestartSec = 5;
          WatchdogSec = 60;
          User = names.brokerUser;
          Group = names.brokerUser;
          # Others enter it, and write nothing there.
          RuntimeDirectory = "nuketown-broker";
          RuntimeDirectoryMode = "0755";
          StateDirectory = "nuketown-broker";
          StateDirectoryMode = "0700";
          UMask = "0077";

          AmbientCapabilities = "";
          CapabilityBoundingSet = "";
          DevicePolicy = "closed";
          LockPersonality = true;
          MemoryDenyWriteExecute = true;
          MemoryMax = "256M";
          NoNewPrivileges = true;
          # Not PrivateUsers: peers on the socket are told apart by their uid, which a user namespace does not show.
          PrivateDevices = true;
          PrivateTmp = true;
          ProcSubset = "pid";
          ProtectClock = true;
          ProtectControlGroups = true;
          ProtectHome = true;
          ProtectHostname = true;
          ProtectKernelLogs = true;
          ProtectKernelModules = true;
          ProtectKernelTunables = true;
          ProtectProc = "invisible";
          ProtectSystem = "strict";
          RemoveIPC = true;
          RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
          RestrictNamespaces = true;
          RestrictRealtime = true;
          RestrictSUIDSGID = true;
          SystemCallArchitectures = "native";
          SystemCallErrorNumber = "EPERM";
          SystemCallFilter = [ "@system-service" "~@privileged" "~@resources" ];
          TasksMax = 64;
        };
      };
    })
  ];
}
