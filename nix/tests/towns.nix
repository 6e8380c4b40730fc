# Towns that the renderer refuses for a rule that no single value can break, and towns just inside of each rule.
#
# { refused = { "<sentence>" = town; … }; taken = { … }; }
let
  base = { domain = "6bit.com"; approver = "josh@6bit.com"; };
  ada = agent: base // { agents.ada = { cloud.enable = true; } // agent; };
  inCloud = cloud: base // { agents.ada = { cloud = { enable = true; } // cloud; }; };
  cloud = cloud: base // { inherit cloud; agents.ada.cloud.enable = true; };
  tier = tier: cloud { tiers.standard = { cpu = "1"; memory = "1Gi"; } // tier; };
  patterns = preApproved: base // { agents.ada = { uid = 1100; sudo = { enable = true; inherit preApproved; }; }; };
  twenty = builtins.concatStringsSep "" (builtins.genList (_: "0123456789") 20);
in
{
  refused = {
    "a tier without CPU" = tier { cpu = "0"; };
    "a tier without memory" = tier { memory = 0; };
    "half a byte of memory" = tier { memory = "0.5"; };
    "a resource without a domain" = tier { resources.gpu = "1"; };
    "a resource of Kubernetes itself" = tier { resources."kubernetes.io/gpu" = "1"; };
    "half a GPU" = tier { resources."nvidia.com/gpu" = "500m"; };
    "no GPU as a resource" = tier { resources."nvidia.com/gpu" = "0"; };
    "a toleration of everything by Equal" = tier { tolerations = [ { } ]; };
    "a toleration with Exists and a value" = tier { tolerations = [ { key = "a"; operator = "Exists"; value = "b"; } ]; };
    "seconds for an effect that does not evict" = tier { tolerations = [ { key = "a"; operator = "Exists"; tolerationSeconds = 5; } ]; };
    "homes in the system's /etc" = ada { } // { agentsDir = "/etc/agents"; };
    "homes on /run itself" = ada { } // { agentsDir = "/run"; };
    "a default volume of nothing" = cloud { defaultPersistSize = "0"; };
    "a home of nothing" = cloud { homeSize = 0; };
    "an operator's value for a stranger" = cloud { agents.bob = { }; };
    "a pre-approved pattern for every program" = patterns [ "*" ];
    "a pre-approved pattern in the program" = patterns [ "system* restart" ];
    "an empty pre-approved command" = patterns [ "ls" " " ];
    "a pre-approved command of a foreign space" = patterns [ "   " ];
    "a pre-approved command of two lines" = patterns [ "ls\nid" ];
    "two agents with one account" = base // {
      agents = { ada.cloud.enable = true; bob = { cloud.enable = true; xmpp.jid = "ADA@6bit.com."; }; };
    };
    "an account that no server has" = ada { } // { domain = "ab--c.com"; };
    "a tier that does not exist" = inCloud { resources = "huge"; };
    "a largest tier that does not exist" = inCloud { scaling.maxResources = "huge"; };
    "the town's tier does not exist" = cloud { resources = "huge"; };
    "a largest tier below the first" = inCloud { resources = "large"; scaling.maxResources = "small"; };
    "a largest tier without the GPU" = inCloud { resources = "gpu"; scaling.maxResources = "large"; };
    "a directory that is written at each start" = ada { persist = [ ".config/nuketown/x" ]; };
    "a directory twice" = ada { persist = [ "a" "a" ]; };
    "two directories with one volume" = ada { persist = [ ".a" "a" ]; };
    "a size for what is not kept" = inCloud { persistSizes.projects = "1Gi"; };
    "a volume of nothing" = ada { persist = [ "a" ]; cloud = { enable = true; persistSizes.a = 0; }; };
    "an operator's size for what is not kept" = cloud { agents.ada.persistSizes.projects = "1Gi"; };
    "two agents with one volume" = base // {
      agents = { a-b = { cloud.enable = true; persist = [ "c" ]; }; a = { cloud.enable = true; persist = [ "b/c" ]; }; };
    };
    "two sources of secrets" = inCloud { identity = { secretName = "a"; gcpServiceAccount = "a@b.iam.gserviceaccount.com"; }; };
    "a role without a region" = inCloud { identity.awsRoleArn = "arn:aws:iam::123456789012:role/a"; };
    "a region without a role" = inCloud { identity.awsRegion = "eu-central-1"; };
    "a scope of everything" = inCloud { identity.scope = "*"; };
    "a scope with a star inside" = inCloud { identity.scope = "a*b"; };
    "a scope with a space" = inCloud { identity.scope = "a b"; };
    "a secret outside of the scope" = inCloud { identity.scope = "bob-*"; };
    "two secrets of one name at the provider" = ada { secrets = { sshKey = "ada/a-b"; gpgKey = "ada-a/b"; }; };
    "a secret inside of another" = ada { secrets = { sshKey = "ada/a"; gpgKey = "ada/a/b"; }; };
    "no image for nix-snapshotter" = cloud { imageMode = "nix-snapshotter"; };
    "a registry that makes too long an image" = cloud { registry = "ghcr.io/${twenty}${builtins.substring 0 45 twenty}"; };
    "a server that no policy can name" = ada { xmpp.jid = "ada@xmpp_server"; };
    "more memory than Kubernetes counts" = base // {
      cloud.tiers.standard = { cpu = "1"; memory = "5Ei"; };
      agents = { ada.cloud.enable = true; bob.cloud.enable = true; };
    };
    "more volumes than Kubernetes counts" = ada { persist = [ "a" "b" ]; } // { cloud.defaultPersistSize = "5Ei"; };
    "more GPUs than Kubernetes counts" = base // {
      cloud.tiers.standard = { cpu = "1"; memory = "1Gi"; resources."a.b/c" = "5E"; };
      agents = { ada.cloud.enable = true; bob.cloud.enable = true; };
    };
  };

  taken = {
    "an agent that says nothing" = ada { };
    "quantities as numbers" = tier { cpu = 1.5; memory = 1073741824; };
    "a tolerated taint" = tier { tolerations = [ { operator = "Exists"; } { key = "a"; operator = "Exists"; effect = "NoExecute"; tolerationSeconds = 5; } ]; };
    "homes beside the system's" = ada { } // { agentsDir = "/runs"; };
    "pre-approved commands" = patterns [ "systemctl restart *" "journalctl *" "certbot renew" "a b*c" ];
    "two agents, one on a host and silent" = base // { agents = { ada.cloud.enable = true; bob.xmpp.jid = "ada@6bit.com"; }; };
    "a largest tier above the first" = inCloud { resources = "small"; scaling.maxResources = "gpu"; };
    "a largest tier of the same size" = base // {
      cloud.tiers = { standard = { cpu = "1"; memory = "1Gi"; }; other = { cpu = "1000m"; memory = "1073741824"; }; };
      agents.ada.cloud = { enable = true; scaling.maxResources = "other"; };
    };
    "directories of different volumes" = ada { persist = [ ".a" "b" "a/b" ".config" ]; };
    "what is wrong in the cloud does not count on a host" = base // {
      agents.ada = { uid = 1100; persist = [ "a" ".a" ]; cloud = { resources = "huge"; identity.awsRegion = "eu-central-1"; }; };
    };
    "an identity on EKS" = inCloud { identity = { awsRoleArn = "arn:aws:iam::123456789012:role/a"; awsRegion = "eu-central-1"; scope = "ada-*"; }; };
    "one secret for two purposes" = ada { secrets = { sshKey = "ada/key"; extraSecrets.a = "ada/key"; }; };
    "an image of its own for nix-snapshotter" = cloud { imageMode = "nix-snapshotter"; } // {
      agents.ada.cloud = { enable = true; image = "a/b:1"; };
    };
    "a registry of a host and a port" = cloud { registry = "ghcr.io:5000"; };
    "a registry of one component" = cloud { registry = "a"; };
    "a server that is an address" = ada { xmpp.jid = "ada@127.0.0.1"; };
    "memory that Kubernetes counts" = base // { cloud.tiers.standard = { cpu = "1"; memory = "7Ei"; }; agents.ada.cloud.enable = true; };
  };
}
