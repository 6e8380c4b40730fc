{ lib, host, workstation, readSettings, names, has, programs, ... }:
let
  device = host [ { nuketown.agents = { ada = { uid = 1100; sudo.enable = true; }; bob = { uid = 1101; sudo.enable = true; }; eve = { uid = 1102; }; }; } ];
  desk = workstation [ { nuketown.agents.ada = { uid = 1100; sudo.enable = true; }; } ];
  none = host [ { nuketown.agents.eve = { uid = 1102; }; } ];
  settings = config: readSettings config.environment.etc."nuketown/sudo.toml".source;
in
{
  "one rule lets the agents start one program" =
    device.security.sudo.extraRules == [
      { users = [ "ada" "bob" ]; runAs = "root"; commands = [ { command = "${programs}/bin/nuketown-sudo"; options = [ "NOPASSWD" ]; } ]; }
    ];
  "who may not ask is in none" = none.security.sudo.extraRules == [ ] && !none.environment.etc ? "nuketown/sudo.toml";
  "only the human's broker is believed on a workstation" = (settings desk).approver == "josh";
  "only the host's own is believed on a device" = (settings device).approver == "nuketown-broker";
  "programs are found in the system alone" = lib.all (lib.hasPrefix "/run/current-system/") (lib.splitString ":" (settings device).secure_path);
  "an agent's shell finds it before the real one" = has "ada|bob) export PATH=" device.environment.extraInit && !has "eve" device.environment.extraInit;
}
