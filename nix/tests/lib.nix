# The flake library's rules that need no build: a list of those that do not hold.
let
  nuketown = import ../lib.nix;
  throws = value: !(builtins.tryEval (builtins.deepSeq value value)).success;
  town = ((import ../../examples/minimal/flake.nix).outputs { }).nuketown;

  rules = {
    "a town without a renderer is refused" = throws (nuketown.toKubeManifests town);
    "a NixOS configuration without a renderer is refused" = throws (nuketown.toKubeManifests { nuketown = { inherit town; }; });
    "a renderer that is null is refused" = throws (nuketown.toKubeManifests (town // { renderer = null; }));
    "what is no attribute set is refused" = throws (nuketown.toKubeManifests [ town ]);
    "the version has three numbers" = builtins.match "[0-9]+\\.[0-9]+\\.[0-9]+(-.*)?" nuketown.version != null;
    "each tier selects the nodes that carry its name" =
      builtins.all
        (name: nuketown.tiers.${name}.nodeSelector == { "nuketown.io/tier" = name; })
        (builtins.attrNames nuketown.tiers);
    "there are four tiers" = builtins.attrNames nuketown.tiers == [ "gpu" "large" "small" "standard" ];
    "only the gpu tier has extra resources and tolerates the taint of its nodes" =
      builtins.filter (name: nuketown.tiers.${name} ? resources) (builtins.attrNames nuketown.tiers) == [ "gpu" ]
      && (builtins.head nuketown.tiers.gpu.tolerations).key == "nvidia.com/gpu";
    "everything that is offered is described here" =
      builtins.attrNames nuketown == [ "agentImage" "agentImageArchive" "hostJobs" "mkTown" "tiers" "toKubeManifests" "version" ];
  };
in
builtins.filter (rule: !rules.${rule}) (builtins.attrNames rules)
