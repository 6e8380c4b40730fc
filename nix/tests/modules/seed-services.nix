# The snippets of the architecture about accounts, the daemon and keys, with a name for `<name>`.
{ lib, host, isSound, daemon, names, has, ... }:
let
  config = host [
    {
      nuketown.agents.ada.uid = 1100;
      nuketown.agents.ada.xmpp = {
        enable = true;
        jid = "ada@6bit.com";
      };
      nuketown.agents.ada.daemon.repos = {
        nuketown.url = "git@github.com:joshperry/nuketown.git";
        mynix.url = "git@github.com:joshperry/mynix.git";
      };
    }
    {
      nuketown.agents.ada.daemon = {
        enable = true;
        bootstrapModel = "claude-haiku-4-5-20251001";
        apiKeySecret = "ada/anthropic-api-key";
        repos = { };
        headlessTimeout = 14400;
      };
      nuketown.agents.ada.github = {
        enable = true;
        pat = "ada/github-pat";
      };
    }
  ];
  keys = config.systemd.user.services.nuketown-keys-ada;
in
{
  "they are refused for nothing" = isSound config;
  "definitions of two modules are one" = names config.nuketown.town.agents.ada.daemon.repos == [ "mynix" "nuketown" ];
  "the daemon starts at boot and again after a failure" =
    let service = daemon config "ada"; in
    has "/bin/nuketown-daemon" service.serviceConfig.ExecStart && service.serviceConfig.Restart == "always" && service.wantedBy == [ "default.target" ];
  "its user's manager starts at boot" = config.users.users.ada.linger;
  "keys are there before the daemon" = (daemon config "ada").after == [ "nuketown-keys-ada.service" ] && keys.serviceConfig.Type == "oneshot";
  "every secret is named" = names config.sops.secrets == [ "ada/anthropic-api-key" "ada/email-password" "ada/github-pat" ];
}
