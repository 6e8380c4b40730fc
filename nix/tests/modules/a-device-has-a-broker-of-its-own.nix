{ lib, host, workstation, readSettings, has, ... }:
let
  config = host [
    {
      nuketown.broker = { jid = "liver-broker@6bit.com"; passwordSecret = "liver/broker-password"; };
      nuketown.approvalTimeout = 60;
      nuketown.agents.liver = { uid = 1101; role = "server"; sudo = { enable = true; preApproved = [ "journalctl *" ]; }; };
      nuketown.agents.eve = { uid = 1102; };
    }
  ];
  service = config.systemd.services.nuketown-broker.serviceConfig;
  settings = readSettings config.environment.etc."nuketown/broker.toml".source;
  policy = readSettings config.environment.etc."nuketown/policy.toml".source;
  desk = workstation [ { nuketown.agents.ada = { uid = 1100; sudo.enable = true; }; } ];
in
{
  "it is a user of its own, which is no agent" = service.User == "nuketown-broker" && config.users.users.nuketown-broker.isSystemUser;
  "it knows who may ask, and what needs no question" = settings.agents == { liver = { uid = 1101; role = "server"; }; } && policy.agents == { liver = { may = [ "sudo" ]; pre_approved = [ "journalctl *" ]; }; };
  "it asks the town's approver" = policy.approver == "josh@6bit.com" && policy.timeout == 60 && settings.dialog == "never";
  "its password is a file of its own" = settings.xmpp.password_file == "/run/secrets/liver/broker-password" && config.sops.secrets."liver/broker-password".owner == "nuketown-broker";
  "its settings hold no secret" = !has "password = " (builtins.toJSON settings);
  "it can change nothing but its records" =
    service.ProtectSystem == "strict" && service.StateDirectory == "nuketown-broker" && service.NoNewPrivileges && service.CapabilityBoundingSet == "";
  "a workstation has none" = !desk.systemd.services ? nuketown-broker;
  "nobody else can put a socket in the place of its own" = service.RuntimeDirectory == "nuketown-broker" && service.RuntimeDirectoryMode == "0755";
  "a workstation's directory is the human's alone to write" = lib.elem "d /run/nuketown-broker 0755 josh root -" desk.systemd.tmpfiles.rules;
}
