{ lib, host, names, ... }:
let
  agent = {
    uid = 1100;
    daemon = { enable = true; apiKeySecret = "ada/api"; };
    xmpp.enable = true;
    github.enable = true;
    secrets = { sshKey = "ada/ssh"; extraSecrets.imap = "ada/imap"; };
  };
  config = host [ { nuketown.agents.ada = agent; nuketown.agents.vox.cloud.enable = true; } ];
in
{
  "every secret that it needs, no other agent's" = names config.sops.secrets == [ "ada/api" "ada/email-password" "ada/github-pat" "ada/imap" "ada/ssh" ];
  "readable by it alone" = lib.all (secret: secret == { owner = "ada"; mode = "0400"; }) (lib.attrValues config.sops.secrets);
  "no secret of sops where somebody else writes them" = (host [ { nuketown.agents.ada = agent; nuketown.secretsProvider = "external"; } ]).sops.secrets == { };
}
