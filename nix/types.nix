# The types of a town's options, each with the name and the rules of its type in lib/src/values.
#
# `rust` is that name. nix/tests compares the two, value by value, and fails where one takes what the other refuses.
{ lib }:

let
  inherit (lib) types;

  text = import ./options/text.nix { inherit lib; };
  names = import ./options/names.nix { inherit lib text; };
  addresses = import ./options/address.nix { inherit lib text names; };
  quantities = import ./options/quantity.nix { inherit lib; };

  # A string that passes a test. `description` says what is expected, for it is what an error message shows.
  string = rust: description: check:
    lib.mkOptionType {
      name = rust;
      inherit description;
      descriptionClass = "nonRestrictiveClause";
      check = value: builtins.isString value && check value;
      merge = lib.mergeEqualOption;
    } // { inherit rust; };

  range = rust: minimum: maximum: types.ints.between minimum maximum // { inherit rust minimum maximum; };

  choice = rust: values: types.enum values // { inherit rust values; };

  # An attribute set whose names are values of one type and whose values are of another.
  namedBy = key: value:
    types.addCheck (types.attrsOf value) (set: builtins.all key.check (builtins.attrNames set)) // {
      description = "attribute set of ${value.description}, each by its ${key.description}";
      # The module system makes the type of a set of submodules anew, which would lose the check.
      substSubModules = modules: namedBy key (value.substSubModules modules);
      inherit key;
    };
in
{
  inherit names addresses namedBy quantities text;

  agentName = string "AgentName"
    "agent's name, a Unix user and part of Kubernetes names: a lower-case letter, then lower-case letters, digits and hyphens, at most 31 in all, no hyphen at the end"
    names.isAgentName;
  tierName = string "TierName" "tier's name, a DNS label (RFC 1123): lower-case letters, digits and hyphens, at most 63" names.isDnsLabel;
  namespaceName = string "NamespaceName" "Kubernetes namespace, a DNS label (RFC 1123): lower-case letters, digits and hyphens, at most 63" names.isDnsLabel;
  objectName = string "ObjectName" "Kubernetes object's name (RFC 1123 subdomain): lower-case letters, digits, hyphens and dots, at most 253" names.isObjectName;
  labelKey = string "LabelKey" "Kubernetes label key: an optional DNS prefix and a slash, then up to 63 characters" names.isLabelKey;
  labelValue = string "LabelValue" "Kubernetes label value: up to 63 letters, digits, '-', '_' and '.'" names.isLabelValue;
  secretName = string "SecretName" "secret's name such as \"ada/github-pat\": letters, digits, '-', '_' and '.', parts divided by '/'" names.isSecretName;
  fileName = string "FileName" "plain file name: up to 63 letters, digits, '-', '_' and '.'" names.isFileName;
  repoName = string "RepoName" "project's name: up to 63 letters, digits, '-', '_' and '.'" names.isFileName;
  mailAddress = string "MailAddress" "mail address such as \"ada@6bit.com\"" names.isMailAddress;
  gcpServiceAccount = string "GcpServiceAccount" "Google service account, NAME@PROJECT.iam.gserviceaccount.com" names.isGcpServiceAccount;
  awsRoleArn = string "AwsRoleArn" "ARN of an IAM role, arn:aws:iam::ACCOUNT:role/NAME (12 digits of account)" names.isAwsRoleArn;
  awsRegion = string "AwsRegion" "AWS region such as eu-central-1" names.isAwsRegion;
  registry = string "Registry" "registry and path such as \"ghcr.io/joshperry/nuketown\", without scheme or tag" names.isRegistry;
  imageTag = string "ImageTag" "image tag: up to 128 letters, digits, '_', '.' and '-', not \"latest\"" names.isImageTag;
  imageReference = string "ImageReference" "image with a tag other than \"latest\" or a digest, such as \"ghcr.io/joshperry/ada:1.2.3\"" names.isImageReference;
  storePath = string "StorePath" "path in the Nix store, /nix/store/HASH-NAME" names.isStorePath;
  persistPath = string "PersistPath" "directory below the agent's home: relative, without \"..\", such as \".config/claude\"" names.isPersistPath;
  absoluteDir = string "AbsoluteDir" "absolute directory such as \"/agents\", normalised, without ':' and '$'" names.isAbsoluteDir;

  hostName = string "HostName" "host name such as \"git.example.org\" in lower case, without scheme or path" names.isHostName;
  hostPort = string "HostPort" "host with or without a port, such as \"cache.nixos.org\"" addresses.isHostPort;
  egress = string "Egress" "HOST:PORT, such as \"pypi.org:443\" or \"10.1.0.0/16:5432\"" addresses.isEgress;
  httpUrl = string "HttpUrl" "address such as \"https://api.example.org\", without credentials" addresses.isHttpUrl;
  gitUrl = string "GitUrl" "git address without credentials, such as \"git@github.com:owner/name.git\", \"ssh://…\" or \"https://…\"" addresses.isGitUrl;
  bareJid = string "BareJid" "bare JID such as \"ada@6bit.com\"" addresses.isBareJid;

  uid = range "Uid" 1000 60000;
  port = range "Port" 1 65535;
  seconds = range "Seconds" 1 31536000;
  approvalTimeout = range "ApprovalTimeout" 5 3600;

  quantity = lib.mkOptionType {
    name = "Quantity";
    description = "Kubernetes quantity such as \"500m\", \"2\" or \"4Gi\"";
    descriptionClass = "nonRestrictiveClause";
    check = quantities.isQuantity;
    merge = lib.mergeEqualOption;
  } // { rust = "Quantity"; };

  imageMode = choice "ImageMode" [ "oci" "nix-snapshotter" ];
  networkEngine = choice "NetworkEngine" [ "kubernetes" "cilium" "gke-fqdn" ];
  taintOperator = choice "TaintOperator" [ "Equal" "Exists" ];
  taintEffect = choice "TaintEffect" [ "NoSchedule" "PreferNoSchedule" "NoExecute" ];
}
