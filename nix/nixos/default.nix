# The NixOS module: the agents of a town that live on this host, and the town itself for whoever asks.
#
# An agent with `cloud.enable` is declared here and runs in the cluster: the host does nothing for it.
{
  imports = [
    ../options.nix
    ./options.nix
    ./town.nix
    ./assertions.nix
    ./users.nix
    ./homes.nix
    ./secrets.nix
    ./daemon.nix
    ./keys.nix
    ./portal.nix
    ./sudo.nix
    ./broker.nix
    ./devices.nix
  ];
}
