{ lib, evaluate, has, ... }:
let
  config = modules: (evaluate ([ ../../nixos/prosody.nix ] ++ modules)).config.services.prosody;
  on = config [ { services.prosody.nuketownApproval = { enable = true; requireSubscription = true; }; } ];
in
{
  "off unless enabled" = (config [ ]).extraModules == [ ];
  "the module is loaded from this project" = on.extraModules == [ "nuketown_approval" ] && map baseNameOf on.extraPluginPaths == [ "prosody" ];
  "its option is written" = has "nuketown_approval_require_subscription = true" on.extraConfig;
}
