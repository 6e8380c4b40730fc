{ lib, host, workstation, has, ... }:
let
  agents = {
    nuketown.agents.ada = { uid = 1100; portal.enable = true; };
    nuketown.agents.bob = { uid = 1101; };
  };
  config = workstation [ agents ];
  rule = lib.head config.security.sudo.extraRules;
in
{
  "there is one for each agent that has it" = map (package: package.name) config.environment.systemPackages == [ "portal-ada" ];
  "the human becomes that agent by one program, and nobody else does" =
    lib.length config.security.sudo.extraRules == 1 && rule.users == [ "josh" ] && rule.runAs == "ada"
    && lib.length rule.commands == 1 && has "/bin/nuketown-portal-ada" (lib.head rule.commands).command;
  "its sessions need no login" = config.users.users.ada.linger && !config.users.users.bob.linger;
  "without a human there is none" = (host [ agents ]).environment.systemPackages == [ ] && (host [ agents ]).security.sudo.extraRules == [ ];
}
