# toKubeManifests of a town that lies in a JSON file, in each form in which its argument may come.
{ library, package, town }:
let
  inherit (import (/. + library)) toKubeManifests;
  plain = builtins.fromJSON (builtins.readFile (/. + town));
  renderer = builtins.path { name = "nuketown-render"; path = /. + package; };

  # Fails when it is built, so it had better not be.
  neverBuilt = derivation { name = "never-built"; system = builtins.currentSystem; builder = "/nonexistent"; };
in
{
  ofTown = toKubeManifests (plain // { inherit renderer; });

  # As a package: something with an `outPath` and a `system`.
  ofNixos = toKubeManifests {
    nuketown = {
      town = plain;
      renderer = { outPath = renderer; system = builtins.currentSystem; };
    };
    system = throw "only the town of a configuration is read";
  };

  ofTownWithReference = toKubeManifests (plain // {
    inherit renderer;
    agents = builtins.mapAttrs (_: agent: agent // { description = "works with ${neverBuilt}"; }) plain.agents;
  });
}
