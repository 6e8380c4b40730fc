# The NixOS module for the XMPP server: Prosody routes approvals to the human's broker instead of the chat client.
{ config, lib, ... }:

let
  cfg = config.services.prosody.nuketownApproval;
in
{
  options.services.prosody.nuketownApproval = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = ''
        Whether messages with an approval go to the session that advertises `urn:nuketown:approval`, the broker's. Without a
        broker they go where every message goes.
      '';
    };
    requireSubscription = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether approvals are taken only from accounts in the roster of whom they are for; all others are refused.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.prosody = {
      extraPluginPaths = [ ../prosody ];
      extraModules = [ "nuketown_approval" ];
      extraConfig = ''
        nuketown_approval_require_subscription = ${lib.boolToString cfg.requireSubscription}
      '';
    };
  };
}
