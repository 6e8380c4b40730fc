# k3s on a machine of your own: secrets from a Kubernetes Secret, volumes on the node's disk, plain network policies.
{
  outputs = _: {
    nuketown = {
      domain = "example.org";
      approver = "josh@example.org";

      cloud = {
        enable = true;
        registry = "ghcr.io/example/agents";
        # k3s brings this class: directories on the node, so a volume stays on the node where it was made.
        storageClass = "local-path";
        defaultPersistSize = "5Gi";
        # k3s enforces these itself. Names become "the public internet on that port": it knows only addresses.
        networkPolicy = "kubernetes";
        # One node, so no node selector: a tier is only a size.
        tiers = {
          small = { cpu = "500m"; memory = "1Gi"; };
          standard = { cpu = "2"; memory = "4Gi"; };
        };
        resources = "small";
        scaling.maxResources = "standard";
      };

      agents.ada = {
        role = "software";
        description = "Software collaborator on the home server.";
        persist = [ "projects" ".config/claude" ];
        daemon = {
          enable = true;
          apiKeySecret = "ada/anthropic-api-key";
          repos.nuketown.url = "git@github.com:joshperry/nuketown.git";
        };
        xmpp.enable = true;
        github.enable = true;
        # The git server in the cellar; private addresses are closed unless they are named.
        network.egress = [ "192.168.1.20/32:22" ];
        cloud = {
          persistSizes.projects = "20Gi";
          # Made by hand, by sealed-secrets or by sops; one key for each secret of the agent.
          identity.secretName = "ada-secrets";
        };
      };
    };
  };
}
