{ lib, workstation, has, ... }:
let
  config = workstation [
    {
      nuketown.agents.ada = {
        uid = 1100; role = "software"; description = "Knows signi."; portal.enable = true; persist = [ "projects" ];
        sudo = { enable = true; preApproved = [ "journalctl *" ]; };
        daemon.enable = true; xmpp = { enable = true; rooms = [ "town@rooms.6bit.com" ]; };
        devices = [ { subsystem = "tty"; attrs.idVendor = "1a86"; } ];
      };
      nuketown.agents.eve.uid = 1101;
    }
  ];
  prompt = name: import ../../nixos/prompt.nix { inherit lib; } config.nuketown name config.nuketown.agents.${name};
in
{
  "who it is" = has "You are ada, an agent of the town 6bit.com. Your role is: software." (prompt "ada") && has "Knows signi." (prompt "ada");
  "how it is reached" = has "XMPP: `ada@6bit.com`" (prompt "ada") && has "`town@rooms.6bit.com`" (prompt "ada") && has "`josh@6bit.com`" (prompt "ada");
  "what it may do" = has "waits up to 120 seconds. No answer is a no." (prompt "ada") && has "`journalctl *`" (prompt "ada") && has "`tty`, `idVendor=1a86`" (prompt "ada");
  "what it keeps" = has "- `~/projects`" (prompt "ada");
  "what it may not" = has "You may not become root" (prompt "eve") && !has "XMPP" (prompt "eve");
}
