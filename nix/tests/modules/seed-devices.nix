# The device agents of the architecture: a server, a router and a printer. The ids of the users are what a host adds.
{ lib, host, isSound, names, has, ... }:
let
  liver = host [
    {
      nuketown.agents.liver = {
        uid = 1101;
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
    }
  ];
  gateway = host [
    {
      nuketown.agents.gateway = {
        uid = 1102;
        role = "network";
        description = ''
          Home network gateway. WireGuard tunnels, nftables firewall,
          DHCP/DNS for local network.
        '';
        daemon.enable = true;
        xmpp.enable = true;
      };
    }
  ];
  printer = host [
    {
      nuketown.agents.printer = {
        uid = 1103;
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
    }
  ];
in
{
  "none is refused" = lib.all isSound [ liver gateway printer ];
  "none has an option without effect" = lib.all (config: config.warnings == [ ]) [ liver gateway printer ];
  "the server has a broker of its own" = liver.systemd.services ? nuketown-broker;
  "the router has none, for it asks for nothing" = gateway.systemd.services == { } && gateway.security.sudo.extraRules == [ ];
  "the printer may open its serial port" = has "user:printer:rw" printer.services.udev.extraRules;
  "nobody has a portal" = lib.all (config: config.environment.systemPackages == [ ]) [ liver gateway printer ];
}
