# The home-manager module for the human: the broker that shows a dialog for each request, and asks the phone at the same time.
{ config, lib, pkgs, ... }:

let
  inherit (lib) mkOption types;
  nuketownTypes = import ../types.nix { inherit lib; };
  cfg = config.services.nuketown-broker;

  hasDialog = cfg.dialog != "never";
  given = lib.filterAttrs (_: value: value != null);

  # Who is who, and where things are. The policy lies beside it.
  settings = {
    inherit (cfg) socket dialog;
    audit = cfg.auditLog;
    zenity = "${pkgs.zenity}/bin/zenity";
    agents = lib.mapAttrs (_: agent: given { inherit (agent) user role jid; }) cfg.agents;
  }
  // lib.optionalAttrs (cfg.passwordFile != null) {
    xmpp = given { jid = cfg.approver; password_file = cfg.passwordFile; inherit (cfg) server; };
  };

  # Who may ask for what.
  policy = {
    inherit (cfg) timeout;
    agents = lib.mapAttrs (_: agent: { inherit (agent) may; pre_approved = agent.preApproved; }) cfg.agents;
  } // lib.optionalAttrs (cfg.approver != null) { inherit (cfg) approver; };

  agent = types.submodule ({ name, ... }: {
    options = {
      user = mkOption {
        type = types.nullOr types.str;
        default = name;
        defaultText = lib.literalMD "the agent's name";
        example = "ada";
        description = "The Unix user that asks for this agent on this host. Null: it asks over XMPP only.";
      };
      jid = mkOption {
        type = types.nullOr nuketownTypes.bareJid;
        default = null;
        example = "ada@6bit.com";
        description = "The account that asks for this agent from elsewhere. Unset: it asks on this host only.";
      };
      role = mkOption {
        type = types.str;
        default = "general";
        example = "software";
        description = "What the agent does; the dialog shows it beside the name.";
      };
      may = mkOption {
        type = types.listOf (types.enum [ "sudo" "delegate" "scale" "network" ]);
        default = [ "sudo" "delegate" ];
        example = [ "sudo" "delegate" "scale" "network" ];
        description = "What it may ask for: commands, helpers, and in the cloud a larger tier and more of the network.";
      };
      preApproved = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "journalctl *" ];
        description = "Commands that run without a question, as in `nuketown.agents.<name>.sudo.preApproved`.";
      };
    };
  });
in
{
  options.services.nuketown-broker = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether this user decides on what agents ask for.";
    };
    package = mkOption {
      type = types.package;
      default = (import ../packages.nix { inherit pkgs; }).nuketown;
      defaultText = lib.literalExpression "nuketown.packages.\${system}.nuketown";
      example = lib.literalExpression "pkgs.nuketown";
      description = "The package with bin/nuketown-broker.";
    };
    agents = mkOption {
      type = types.attrsOf agent;
      default = { };
      example = { ada = { role = "software"; jid = "ada@6bit.com"; }; };
      description = "Who may ask. Everybody else is refused without a question.";
    };
    approver = mkOption {
      type = types.nullOr nuketownTypes.bareJid;
      default = null;
      example = "josh@6bit.com";
      description = "This user's account, from which answers of the phone are taken. Unset: only the dialog answers.";
    };
    passwordFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "/run/secrets/josh/xmpp-password";
      description = "The file with that account's password, outside of the Nix store, which everybody can read. Unset: the broker is not on XMPP.";
    };
    timeout = mkOption {
      type = nuketownTypes.approvalTimeout;
      default = 120;
      example = 60;
      description = "Seconds to wait for an answer before a request is refused.";
    };
    server = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "xmpp.6bit.com:5222";
      description = "Host and port of the account's server. Unset: as the domain's DNS says.";
    };
    dialog = mkOption {
      type = types.enum [ "auto" "always" "never" ];
      default = "auto";
      example = "never";
      description = "Whether requests are shown as dialogs: where there is a desktop, always (it is an error if none can be shown), or never.";
    };
    socket = mkOption {
      type = types.str;
      default = "/run/nuketown-broker/socket";
      example = "/run/nuketown-broker/socket";
      description = "Where agents ask. The directory is made by the host's module of nuketown, which names this user in `nuketown.human`.";
    };
    auditLog = mkOption {
      type = types.str;
      default = "${config.xdg.stateHome}/nuketown-broker/audit.jsonl";
      defaultText = lib.literalExpression "\${config.xdg.stateHome}/nuketown-broker/audit.jsonl";
      example = "/var/log/josh/nuketown-audit.jsonl";
      description = "The record of every request and answer. Where it cannot be written, every request is refused.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.passwordFile == null || cfg.approver != null;
        message = "services.nuketown-broker.passwordFile is set and approver is not: there is no account that it belongs to.\n  hint: set services.nuketown-broker.approver";
      }
      {
        assertion = cfg.passwordFile == null || !lib.hasPrefix builtins.storeDir cfg.passwordFile;
        message = "services.nuketown-broker.passwordFile lies in the Nix store, which everybody can read.\n  hint: give a path as text, of a file that only you can read";
      }
      {
        assertion = cfg.dialog != "never" || cfg.passwordFile != null;
        message = "services.nuketown-broker has neither a dialog nor an XMPP account: nobody would ever be asked.\n  hint: set dialog to \"auto\", or approver and passwordFile";
      }
    ];

    xdg.configFile."nuketown/broker.toml".source = (pkgs.formats.toml { }).generate "broker.toml" settings;
    xdg.configFile."nuketown/policy.toml".source = (pkgs.formats.toml { }).generate "policy.toml" policy;

    systemd.user.services.nuketown-broker = {
      Unit = {
        Description = "Nuketown broker: decides what agents may run";
        # A dialog needs the desktop; without one, the broker starts with the user's manager.
        PartOf = lib.optional hasDialog "graphical-session.target";
        After = lib.optional hasDialog "graphical-session.target";
        X-Restart-Triggers = map (file: "${config.xdg.configFile.${file}.source}") [ "nuketown/broker.toml" "nuketown/policy.toml" ];
      };
      Service = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/nuketown-broker run";
        Restart = "on-failure";
        RestartSec = 5;
        WatchdogSec = 60;
        UMask = "0077";
        NoNewPrivileges = true;
        LockPersonality = true;
        RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" ];
        RestrictNamespaces = true;
        RestrictRealtime = true;
        SystemCallArchitectures = "native";
        # Nothing that needs a user namespace, as ProtectSystem would here: agents are told apart by their uid on the socket,
        # which a namespace does not show.
      };
      Install.WantedBy = [ (if hasDialog then "graphical-session.target" else "default.target") ];
    };
  };
}
