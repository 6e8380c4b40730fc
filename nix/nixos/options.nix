# What a host decides beyond the town: who sits at it, and where its programs, secrets and kept directories are.
{ config, lib, pkgs, ... }:

let
  inherit (lib) mkOption types;
  cfg = config.nuketown;
in
{
  options.nuketown = {
    package = mkOption {
      type = types.package;
      default = (import ../packages.nix { inherit pkgs; }).nuketown;
      defaultText = lib.literalExpression "nuketown.packages.\${system}.nuketown";
      example = lib.literalExpression "pkgs.nuketown";
      description = "The package with nuketown's programs. Services, sudoers and home files name it.";
    };
    renderer = mkOption {
      type = types.either types.package types.path;
      default = cfg.package;
      defaultText = lib.literalExpression "config.nuketown.package";
      example = lib.literalExpression "pkgs.nuketown-render";
      description = "What writes the agents' home files while the system is built: something with bin/nuketown-render.";
    };
    human = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "josh";
      description = ''
        The Unix user who sits at this host and approves: it gets the portals, and its broker is the one that is believed.
        Unset: nobody sits here. Then there are no portals, and approvals go through a broker of the host's own.
      '';
    };
    secretsProvider = mkOption {
      type = types.enum [ "sops" "external" ];
      default = "sops";
      example = "external";
      description = ''
        Who writes the agents' secrets to /run/secrets/NAME: sops-nix, or somebody else before the agents start. Whoever it is,
        each file belongs to its agent and is readable by nobody else.
      '';
    };
    persistDir = mkOption {
      type = types.path;
      default = "/persist";
      example = "/nix/persist";
      description = "Where impermanence keeps what outlives a boot. Of meaning with ephemeral homes only.";
    };
    agentPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.claude-code pkgs.ripgrep ]";
      description = "Programs that all agents of this host have, besides those of the system.";
    };
    portalCommand = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "claude" ];
      description = "What a portal starts in a new session, as a list of arguments. Empty: the agent's shell.";
    };
    broker = {
      enable = mkOption {
        type = types.bool;
        default = cfg.human == null && lib.any (agent: agent.sudo.enable) (lib.attrValues cfg.hostAgents);
        defaultText = lib.literalMD "where nobody sits and an agent may use sudo";
        example = true;
        description = "Whether the host runs a broker of its own, without a desktop: pre-approved commands run, all others are asked over XMPP.";
      };
      jid = mkOption {
        type = types.nullOr (import ../types.nix { inherit lib; }).bareJid;
        default = null;
        example = "liver-broker@6bit.com";
        description = "The account of the host's own broker. It is not an agent's. Unset: whatever is not pre-approved is refused.";
      };
      passwordSecret = mkOption {
        type = types.nullOr (import ../types.nix { inherit lib; }).secretName;
        default = null;
        example = "liver/broker-password";
        description = "The secret that holds the password of `jid`.";
      };
    };
    broker.server = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "xmpp.6bit.com:5222";
      description = "Host and port of the server of `broker.jid`. Unset: as the domain's DNS says.";
    };
    town = mkOption {
      type = types.raw or types.unspecified;
      readOnly = true;
      description = "The town as a plain attribute set, without what is default: what nuketown-render reads. Null where nothing is declared.";
    };
    hostAgents = mkOption {
      type = types.raw or types.unspecified;
      readOnly = true;
      internal = true;
      description = "The agents that run on this host.";
    };
  };
}
