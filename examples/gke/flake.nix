# Google Kubernetes Engine: secrets by Workload Identity Federation, egress by name, tiers on labelled node pools.
# The cluster needs Dataplane V2 with FQDN network policies, Workload Identity and, for `gpu`, an L4 node pool.
{
  outputs = _: {
    nuketown = {
      domain = "example.org";
      approver = "josh@example.org";

      cloud = {
        enable = true;
        registry = "europe-west1-docker.pkg.dev/example-town/agents";
        storageClass = "premium-rwo";
        # Egress by host name; plain network policies know only addresses.
        networkPolicy = "gke-fqdn";
        # Node pools are created with `--node-labels nuketown.io/tier=<tier>`.
        tiers = {
          standard = { cpu = "2"; memory = "4Gi"; nodeSelector."nuketown.io/tier" = "standard"; };
          large = { cpu = "4"; memory = "8Gi"; nodeSelector."nuketown.io/tier" = "large"; };
          gpu = {
            cpu = "4";
            memory = "16Gi";
            resources."nvidia.com/gpu" = "1";
            nodeSelector = {
              "nuketown.io/tier" = "gpu";
              "cloud.google.com/gke-accelerator" = "nvidia-l4";
            };
            tolerations = [ { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; } ];
          };
        };
        resources = "standard";
      };

      agents.ada = {
        role = "software";
        description = "Software collaborator in the cloud.";
        persist = [ "projects" ".config/claude" ];
        daemon = {
          enable = true;
          apiKeySecret = "ada/anthropic-api-key";
          repos.nuketown.url = "git@github.com:joshperry/nuketown.git";
        };
        xmpp.enable = true;
        github.enable = true;
        network.egress = [ "pypi.org:443" ];
        cloud = {
          scaling = { maxResources = "gpu"; idleTimeout = 3600; };
          persistSizes.projects = "50Gi";
          # The Google service account that may read the secrets named ada-* and nothing else.
          identity = {
            gcpServiceAccount = "ada-agent@example-town.iam.gserviceaccount.com";
            scope = "ada-*";
          };
        };
      };
    };
  };
}
