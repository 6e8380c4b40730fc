{ lib, host, pkgs, ... }:
let
  config = host [
    {
      nuketown.agents.printer = {
        uid = 1103;
        devices = [ { subsystem = "tty"; attrs = { idVendor = "1a86"; idProduct = "7523"; }; } { subsystem = "block"; } ];
      };
      nuketown.agents.bob.uid = 1104;
    }
  ];
in
{
  "a rule for each device" = config.services.udev.extraRules == ''
    ACTION!="remove", SUBSYSTEM=="tty", ATTRS{idProduct}=="7523", ATTRS{idVendor}=="1a86", ENV{DEVNAME}=="?*", RUN+="${pkgs.acl}/bin/setfacl --modify=user:printer:rw $env{DEVNAME}"
    ACTION!="remove", SUBSYSTEM=="block", ENV{DEVNAME}=="?*", RUN+="${pkgs.acl}/bin/setfacl --modify=user:printer:rw $env{DEVNAME}"
  '';
  "no agent is in a group of devices" = config.users.users.printer.extraGroups == [ ];
}
