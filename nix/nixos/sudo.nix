# `sudo` for agents: a command of the same name that asks, and the one sudoers rule that lets it.
{ config, lib, pkgs, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };
  agents = lib.attrNames (lib.filterAttrs (_: agent: agent.sudo.enable) cfg.hostAgents);
in
{
  options.nuketown.sudoCommand = lib.mkOption {
    type = lib.types.package;
    readOnly = true;
    internal = true;
    description = "What agents find as `sudo`.";
  };

  config = lib.mkMerge [
    {
      nuketown.sudoCommand = pkgs.runCommand "nuketown-sudo-command" { } ''
        mkdir -p "$out/bin"
        ln -s ${cfg.package}/bin/nuketown-sudo "$out/bin/sudo"
      '';
    }
    (lib.mkIf (agents != [ ]) {
      security.sudo.enable = lib.mkDefault true;
      security.sudo.extraRules = [
        {
          users = agents;
          runAs = "root";
          commands = [ { command = "${cfg.package}/bin/nuketown-sudo"; options = [ "NOPASSWD" ]; } ];
        }
      ];
      environment.etc."nuketown/sudo.toml".source = (pkgs.formats.toml { }).generate "sudo.toml" {
        approver = names.approver;
        inherit (names) socket;
        timeout = cfg.approvalTimeout;
        # Only root decides what is there.
        secure_path = "/run/current-system/sw/bin:/run/current-system/sw/sbin";
        sudo = "/run/wrappers/bin/sudo";
      };
      # The wrappers of NixOS come first on every user's path, and with them the real sudo.
      environment.extraInit = ''
        case "''${USER:-}" in
            ${lib.concatStringsSep "|" agents}) export PATH="${cfg.sudoCommand}/bin:$PATH" ;;
        esac
      '';
    })
  ];
}
