# The options `nuketown.cloud`: what the cluster's operator declares for the whole town.
{ lib, types }:

let
  inherit (lib) mkOption;
  inherit (lib.types) bool listOf nullOr submodule;

  sizes = types.namedBy types.persistPath types.quantity;

  toleration = submodule {
    options = {
      key = mkOption {
        type = nullOr types.labelKey;
        default = null;
        example = "nvidia.com/gpu";
        description = "The taint's key. Unset: all keys, which needs `operator = \"Exists\"`.";
      };
      operator = mkOption {
        type = types.taintOperator;
        default = "Equal";
        example = "Exists";
        description = "How `value` is compared: key and value are equal, or the key is there.";
      };
      value = mkOption {
        type = nullOr types.labelValue;
        default = null;
        example = "true";
        description = "The taint's value; only with `operator = \"Equal\"`.";
      };
      effect = mkOption {
        type = nullOr types.taintEffect;
        default = null;
        example = "NoSchedule";
        description = "The taint's effect. Unset: all effects.";
      };
      tolerationSeconds = mkOption {
        type = nullOr types.seconds;
        default = null;
        example = 300;
        description = "Seconds for which a `NoExecute` taint is tolerated. Unset: for ever.";
      };
    };
  };

  tier = submodule {
    options = {
      cpu = mkOption {
        type = types.quantity;
        example = "2";
        description = "Cores that a pod gets, more than 0.";
      };
      memory = mkOption {
        type = types.quantity;
        example = "4Gi";
        description = "Bytes of memory that a pod gets, a whole number of more than 0. A pod that needs more is ended.";
      };
      resources = mkOption {
        type = types.namedBy types.labelKey types.quantity;
        default = { };
        example = { "nvidia.com/gpu" = "1"; };
        description = "Extended resources that a pod gets, in whole numbers.";
      };
      nodeSelector = mkOption {
        type = types.namedBy types.labelKey types.labelValue;
        default = { };
        example = { "nuketown.io/tier" = "standard"; };
        description = "Labels that a node must have. Where none has them, the pod stays unscheduled and Kubernetes says why.";
      };
      tolerations = mkOption {
        type = listOf toleration;
        default = [ ];
        example = [ { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; } ];
        description = "Taints that are tolerated.";
      };
    };
  };
in
{
  enable = mkOption {
    type = bool;
    default = false;
    example = true;
    description = "Whether agents run in the cluster unless they say otherwise.";
  };
  imageMode = mkOption {
    type = types.imageMode;
    default = "oci";
    example = "nix-snapshotter";
    description = "How images reach the nodes: from a registry, or from the node's Nix store by nix-snapshotter.";
  };
  registry = mkOption {
    type = types.registry;
    default = "ghcr.io/joshperry/nuketown";
    example = "registry.example.org:5000/agents";
    description = "Where images are pulled from.";
  };
  imagePullSecrets = mkOption {
    type = listOf types.objectName;
    default = [ ];
    example = [ "registry-login" ];
    description = "Secrets of the namespace that hold the registry's credentials.";
  };
  namespace = mkOption {
    type = types.namespaceName;
    default = "nuketown";
    example = "agents";
    description = "The namespace that the agents share. Another name is another namespace: volumes do not move with it.";
  };
  tiers = mkOption {
    type = types.namedBy types.tierName tier;
    default = {
      small = { cpu = "1"; memory = "2Gi"; };
      standard = { cpu = "2"; memory = "4Gi"; };
      large = { cpu = "4"; memory = "8Gi"; };
      gpu = {
        cpu = "4";
        memory = "16Gi";
        resources = { "nvidia.com/gpu" = "1"; };
        tolerations = [ { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; } ];
      };
    };
    example = { small = { cpu = "500m"; memory = "1Gi"; }; };
    description = "What an agent may be given, by name. A town that defines any tier replaces all of the default ones.";
  };
  resources = mkOption {
    type = types.tierName;
    default = "standard";
    example = "small";
    description = "The tier that agents start on.";
  };
  scaling = {
    maxResources = mkOption {
      type = nullOr types.tierName;
      default = null;
      example = "large";
      description = "The largest tier that an agent may ask for; it counts in the quota. Unset: its own tier, so it cannot grow.";
    };
    idleTimeout = mkOption {
      type = types.seconds;
      default = 3600;
      example = 1800;
      description = "Seconds of idleness after which an agent goes back to its own tier.";
    };
  };
  storageClass = mkOption {
    type = nullOr types.objectName;
    default = null;
    example = "premium-rwo";
    description = "The storage class of the volumes. Unset: the cluster's default.";
  };
  defaultPersistSize = mkOption {
    type = types.quantity;
    default = "10Gi";
    example = "50Gi";
    description = "Bytes of a `persist` volume.";
  };
  homeSize = mkOption {
    type = types.quantity;
    default = "10Gi";
    example = "20Gi";
    description = "Bytes that an agent's ephemeral home and its `/tmp` may take on the node's disk, each. A pod that takes more is evicted.";
  };
  networkPolicy = mkOption {
    type = types.networkEngine;
    default = "kubernetes";
    example = "cilium";
    description = ''
      What enforces egress. Plain policies know addresses only: a host name opens the public internet on its port. With `cilium`
      and `gke-fqdn`, names are enforced.
    '';
  };
  nixCaches = mkOption {
    type = listOf types.hostPort;
    default = [ "cache.nixos.org" ];
    example = [ "cache.nixos.org" "cache.example.org:8443" ];
    description = "Nix binary caches that the agents may reach, on port 443 unless given.";
  };
  runtimeClassName = mkOption {
    type = nullOr types.objectName;
    default = null;
    example = "gvisor";
    description = "The runtime class of the pods. Unset: the cluster's default.";
  };
  hostUsers = mkOption {
    type = nullOr bool;
    default = null;
    example = false;
    description = "`false` gives each pod a user namespace of its own, where the cluster has them (Kubernetes 1.33 and later). Unset: the cluster's default.";
  };
  agents = mkOption {
    type = types.namedBy types.agentName (submodule {
      options.persistSizes = mkOption {
        type = sizes;
        default = { };
        example = { projects = "50Gi"; };
        description = "Bytes of single `persist` volumes; the agent's own `cloud.persistSizes` comes first.";
      };
    });
    default = { };
    example = { ada.persistSizes.projects = "50Gi"; };
    description = "What the operator sets in place of an agent's owner, by the agent's name.";
  };
}
