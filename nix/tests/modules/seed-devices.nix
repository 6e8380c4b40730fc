# The device agents of the architecture: a server, a router and a printer, as they stand there; a host adds the ids of the users.
{ lib, host, town, isSound, names, has, ... }:
let
  snippets = {
    liver.nuketown.agents.liver = {
      role = "server";
      description = ''
        Prosody XMPP server, dovecot mail, DNS for 6bit.com.
        Runs on Hetzner VPS. NixOS managed via mynix flake.
      '';
      daemon.enable = true;
      xmpp.enable = true;
      sudo = {
        enable = true;
        preApproved = [
          "systemctl restart *"
          "journalctl *"
          "certbot renew"
        ];
      };
    };
    gateway.nuketown.agents.gateway = {
      role = "network";
      description = ''
        Home network gateway. WireGuard tunnels, nftables firewall,
        DHCP/DNS for local network.
      '';
      daemon.enable = true;
      xmpp.enable = true;
    };
    printer.nuketown.agents.printer = {
      role = "fabrication";
      description = ''
        Raspberry Pi running Klipper for the Ender 3.
        Manages print jobs, monitors temperatures, detects failures.
      '';
      daemon.enable = true;
      xmpp.enable = true;
      devices = [
        { subsystem = "tty"; attrs = { idVendor = "1a86"; }; }
      ];
    };
  };
  on = name: uid: host [ snippets.${name} { nuketown.agents.${name}.uid = uid; } ];
  liver = on "liver" 1101;
  gateway = on "gateway" 1102;
  printer = on "printer" 1103;
in
{
  "each is a town as it stands" = names (town (lib.attrValues snippets)).agents == [ "gateway" "liver" "printer" ];
  "none is refused" = lib.all isSound [ liver gateway printer ];
  "none has an option without effect" = lib.all (config: config.warnings == [ ]) [ liver gateway printer ];
  "the server has a broker of its own" = liver.systemd.services ? nuketown-broker;
  "the router has none, for it asks for nothing" = gateway.systemd.services == { } && gateway.security.sudo.extraRules == [ ];
  "the printer may open its serial port" = has "user:printer:rw" printer.services.udev.extraRules;
  "nobody has a portal" = lib.all (config: config.environment.systemPackages == [ ]) [ liver gateway printer ];
}
