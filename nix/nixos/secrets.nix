# The agents' secrets: files of the agent alone, below /run/secrets, which no store and no command line ever holds.
{ config, lib, options, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };

  owned = owner: secret: { ${secret} = { inherit owner; mode = "0400"; }; };
  ofAgent = name: agent: map (owned name) (names.model.secrets cfg name agent);
  ofBroker = lib.optional (cfg.broker.enable && cfg.broker.passwordSecret != null) (owned names.brokerUser cfg.broker.passwordSecret);
in
{
  config = lib.optionalAttrs (options ? sops.secrets) {
    sops.secrets = lib.mkIf (cfg.secretsProvider == "sops")
      (lib.mkMerge (lib.concatLists (lib.mapAttrsToList ofAgent cfg.hostAgents) ++ ofBroker));
  };
}
