# Amazon EKS: secrets through an IAM role for the service account (IRSA), egress by name through Cilium.
# The cluster needs an OIDC provider, the EBS CSI driver with a `gp3` storage class, and Cilium as its network policy engine.
{
  outputs = _: {
    nuketown = {
      domain = "example.org";
      approver = "josh@example.org";

      cloud = {
        enable = true;
        registry = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/nuketown";
        storageClass = "gp3";
        networkPolicy = "cilium";
        # Node groups are created with the label `nuketown.io/tier`; the idle tier runs on spot capacity.
        tiers = {
          small = {
            cpu = "1";
            memory = "2Gi";
            nodeSelector = { "nuketown.io/tier" = "small"; "eks.amazonaws.com/capacityType" = "SPOT"; };
          };
          standard = { cpu = "2"; memory = "4Gi"; nodeSelector."nuketown.io/tier" = "standard"; };
          large = { cpu = "4"; memory = "8Gi"; nodeSelector."nuketown.io/tier" = "large"; };
        };
        resources = "small";
        scaling = { maxResources = "large"; idleTimeout = 1800; };
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
        network.egress = [ "*.readthedocs.io:443" ];
        cloud = {
          persistSizes.projects = "50Gi";
          # The role whose policy reads the secrets named ada-* and nothing else.
          identity = {
            awsRoleArn = "arn:aws:iam::111122223333:role/nuketown-ada";
            awsRegion = "eu-central-1";
            scope = "ada-*";
          };
        };
      };
    };
  };
}
