{ lib, host, names, ... }:
let
  config = host [ { nuketown.agents = { ada = { uid = 1100; }; bob = { uid = 1101; sudo.enable = true; daemon.enable = true; }; }; nuketown.agentsDir = "/srv/agents"; } ];
  inherit (config.users) users groups;
in
{
  "each is a user with the declared id" = users.ada.uid == 1100 && users.bob.uid == 1101 && users.ada.isNormalUser;
  "no password opens it" = users.ada.hashedPassword == "!" && users.bob.hashedPassword == "!";
  "its group is its own" = users.ada.group == "ada" && groups.ada.gid == 1100 && groups.bob.gid == 1101;
  "its home is its own" = users.ada.home == "/srv/agents/ada" && users.ada.homeMode == "700" && users.ada.createHome;
  "it lingers only if something runs" = !users.ada.linger && users.bob.linger;
  "it is in no other group" = users.ada.extraGroups == [ ] && users.bob.extraGroups == [ ];
}
