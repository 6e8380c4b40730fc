# The cloud snippets of the architecture.
{ lib, town, fails, nuketown, host, isSound, ... }:
let
  ada = modules: town ([ { nuketown.agents.ada = { }; } ] ++ modules);
  tiers = {
    small = {
      cpu = "1";
      memory = "2Gi";
      nodeSelector = { "nuketown.io/tier" = "small"; };
    };
    standard = {
      cpu = "2";
      memory = "4Gi";
      nodeSelector = { "nuketown.io/tier" = "standard"; };
    };
    large = {
      cpu = "4";
      memory = "8Gi";
      nodeSelector = { "nuketown.io/tier" = "large"; };
    };
    gpu = {
      cpu = "4";
      memory = "16Gi";
      resources = { "nvidia.com/gpu" = "1"; };
      nodeSelector = { "nuketown.io/tier" = "gpu"; };
      tolerations = [
        { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; }
      ];
    };
  };
  agent = {
    nuketown.agents.ada = {
      cloud = {
        enable = true;
        resources = "standard";
        scaling.maxResources = "large";
      };
    };
  };
in
{
  "an agent in the cloud" = (town [ agent ]).agents.ada.cloud == { enable = true; resources = "standard"; scaling.maxResources = "large"; };
  "such an agent is nothing on a host" =
    let config = host [ agent ]; in isSound config && config.users.users == { } && config.systemd.user.services == { };
  "all agents in the cloud" = (ada [ { nuketown.cloud.enable = true; } ]).cloud == { enable = true; };
  "images" = (ada [ { nuketown.cloud.imageMode = "oci"; nuketown.cloud.registry = "ghcr.io/joshperry/nuketown"; } ]) == ada [ ];
  "tiers" = (ada [ { nuketown.cloud.tiers = tiers; } ]).cloud.tiers == tiers;
  "the library's tiers are these" = nuketown.tiers == tiers;
  "a tier by name" = (ada [ { nuketown.agents.ada.cloud.resources = "standard"; } ]).agents.ada.cloud.resources == "standard";
  "a tier that is not defined fails" = fails (ada [ { nuketown.cloud.enable = true; nuketown.agents.ada.cloud.resources = "huge"; } ]);
  "the town's scaling" =
    (ada [
      {
        nuketown.cloud = {
          enable = true;
          resources = "standard";

          scaling = {
            maxResources = "large";
            idleTimeout = 3600;
          };
        };
      }
    ]).cloud == { enable = true; scaling.maxResources = "large"; };
  "volumes" =
    (ada [
      {
        nuketown.agents.ada.persist = [ "projects" ];
        nuketown.cloud.storageClass = null;
        nuketown.cloud.defaultPersistSize = "10Gi";
        nuketown.cloud.agents.ada.persistSizes = {
          projects = "50Gi";
        };
      }
    ]).cloud == { agents.ada.persistSizes.projects = "50Gi"; };
  "workload identity" =
    (ada [
      {
        nuketown.agents.ada.cloud.identity = {
          gcpServiceAccount = "ada-agent@myproject.iam.gserviceaccount.com";
          scope = "ada-*";
        };
      }
    ]).agents.ada.cloud.identity == { gcpServiceAccount = "ada-agent@myproject.iam.gserviceaccount.com"; scope = "ada-*"; };
}
