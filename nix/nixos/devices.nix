# The devices that agents may open: an access control entry for the agent's user, given by udev as the device appears.
{ config, lib, pkgs, ... }:

let
  cfg = config.nuketown;

  # ATTRS matches the device or one that it hangs on: a serial port has no vendor, the adapter behind it has.
  rule = name: device: lib.concatStringsSep ", " (
    [ "ACTION!=\"remove\"" "SUBSYSTEM==\"${device.subsystem}\"" ]
    ++ lib.mapAttrsToList (key: value: "ATTRS{${key}}==\"${value}\"") device.attrs
    ++ [ "ENV{DEVNAME}==\"?*\"" "RUN+=\"${pkgs.acl}/bin/setfacl --modify=user:${name}:rw $env{DEVNAME}\"" ]
  );
  rules = name: agent: map (rule name) agent.devices;
  all = lib.concatLists (lib.mapAttrsToList rules cfg.hostAgents);
in
{
  services.udev.extraRules = lib.mkIf (all != [ ]) (lib.concatMapStrings (line: line + "\n") all);
}
