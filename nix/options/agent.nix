# The options `nuketown.agents.<name>`: an agent as its owner declares it.
{ lib, types }:

let
  inherit (lib) mkOption;
  inherit (lib.types) attrsOf bool lines listOf nullOr str submodule;

  secret = example: description: mkOption {
    type = nullOr types.secretName;
    default = null;
    inherit example description;
  };
in
{
  uid = mkOption {
    type = nullOr types.uid;
    default = null;
    example = 1100;
    description = "The Unix user id. A host needs one, and no two agents of a host the same. Unset: 1100 in the cloud, where pods are apart.";
  };
  role = mkOption {
    type = str;
    default = "general";
    example = "software";
    description = "What the agent does, in a word: software, research, server.";
  };
  description = mkOption {
    type = lines;
    default = "";
    example = "Prosody XMPP server, dovecot mail and DNS for 6bit.com.";
    description = "The agent's knowledge of itself: who it is and how it works. It becomes part of its prompt.";
  };
  email = mkOption {
    type = nullOr types.mailAddress;
    default = null;
    example = "ada@6bit.com";
    description = "The mail address of its commits. Unset: `<name>@<domain>`.";
  };
  persist = mkOption {
    type = listOf types.persistPath;
    default = [ ];
    example = [ "projects" ".config/claude" ];
    description = "Directories below its home that outlive a restart: a volume each in the cloud, kept over a boot on a host with ephemeral homes.";
  };
  portal.enable = mkOption {
    type = bool;
    default = false;
    example = true;
    description = "Whether there is a command `portal-<name>`, a terminal side by side with the agent. It makes it a workstation agent. Without effect in the cloud.";
  };
  sudo = {
    enable = mkOption {
      type = bool;
      default = false;
      example = true;
      description = "Whether the agent may ask for privileged commands at all. Each waits for an approval.";
    };
    preApproved = mkOption {
      type = listOf str;
      default = [ ];
      example = [ "systemctl restart prosody" "journalctl *" ];
      description = ''
        Commands that run as root without a question, matched argument by argument: `*` alone stands for any remaining arguments,
        `*` inside of a word for any characters of that word. No shell is involved.
      '';
    };
  };
  daemon = {
    enable = mkOption {
      type = nullOr bool;
      default = null;
      example = true;
      description = "Whether its long-running process runs. Unset: in the cloud always, elsewhere not.";
    };
    bootstrapModel = mkOption {
      type = str;
      default = "claude-haiku-4-5-20251001";
      example = "claude-sonnet-4-5-20250929";
      description = "The model that prepares a workspace before a session.";
    };
    apiKeySecret = secret "ada/anthropic-api-key"
      "The secret that holds the AI API's key. Unset: no headless sessions and no model in the bootstrap.";
    apiUrl = mkOption {
      type = types.httpUrl;
      default = "https://api.anthropic.com";
      example = "https://llm.example.org/anthropic";
      description = "The base address of the AI API. It gets the key.";
    };
    repos = mkOption {
      type = types.namedBy types.repoName (submodule {
        options.url = mkOption {
          type = types.gitUrl;
          example = "git@github.com:joshperry/nuketown.git";
          description = "Where it is cloned from. Its host is opened in the cloud.";
        };
      });
      default = { };
      example = { nuketown.url = "git@github.com:joshperry/nuketown.git"; };
      description = "Known git remotes by project: hints, not a list of all that may be cloned.";
    };
    headlessTimeout = mkOption {
      type = types.seconds;
      default = 14400;
      example = 3600;
      description = "Seconds after which a headless session is stopped, whatever it is doing.";
    };
  };
  xmpp = {
    enable = mkOption {
      type = nullOr bool;
      default = null;
      example = true;
      description = "Whether the agent is on XMPP. Unset: in the cloud always, for there is no other way to talk to it; elsewhere not.";
    };
    jid = mkOption {
      type = nullOr types.bareJid;
      default = null;
      example = "ada@6bit.com";
      description = "The agent's account. No two agents have the same. Unset: `<name>@<domain>`.";
    };
    server = mkOption {
      type = nullOr types.hostName;
      default = null;
      example = "xmpp.6bit.com";
      description = "The host of the XMPP server. Unset: the JID's domain.";
    };
    port = mkOption {
      type = types.port;
      default = 5222;
      example = 5223;
      description = "The server's port for clients (RFC 6120: 5222).";
    };
    rooms = mkOption {
      type = listOf types.bareJid;
      default = [ ];
      example = [ "town@rooms.6bit.com" ];
      description = "Rooms to join (XEP-0045).";
    };
    passwordSecret = secret "ada/email-password" "The secret that holds the account's password. Unset: `<name>/email-password`.";
  };
  devices = mkOption {
    type = listOf (submodule {
      options = {
        subsystem = mkOption {
          type = str;
          example = "tty";
          description = "The udev subsystem: tty, usb, block.";
        };
        attrs = mkOption {
          type = attrsOf str;
          default = { };
          example = { idVendor = "1a86"; };
          description = "Attributes of the device, or of one that it hangs on, that must match. None: every device of the subsystem.";
        };
      };
    });
    default = [ ];
    example = [ { subsystem = "tty"; attrs.idVendor = "1a86"; } ];
    description = "Hardware that the agent may read and write, on a host. Without effect in the cloud.";
  };
  github = {
    enable = mkOption {
      type = bool;
      default = false;
      example = true;
      description = "Whether the agent makes its SSH and GPG keys at boot and registers them at GitHub, in place of its stale ones there.";
    };
    pat = secret "ada/github-pat"
      "The secret that holds the personal access token (scopes repo, admin:public_key, admin:gpg_key). Unset: `<name>/github-pat`.";
  };
  secrets = {
    sshKey = secret "ada/ssh-key" "The secret that holds an SSH private key made beforehand.";
    gpgKey = secret "ada/gpg-key" "The secret that holds a GPG private key made beforehand.";
    extraSecrets = mkOption {
      type = types.namedBy types.fileName types.secretName;
      default = { };
      example = { imap-password = "ada/imap-password"; };
      description = "Further secrets: the name under which the agent finds each, and the secret's name.";
    };
  };
  network.egress = mkOption {
    type = listOf types.egress;
    default = [ ];
    example = [ "pypi.org:443" "10.1.0.0/16:5432" ];
    description = "What the agent may reach in the cloud beyond what it needs to run. On a host the firewall decides.";
  };
  cloud = {
    enable = mkOption {
      type = nullOr bool;
      default = null;
      example = true;
      description = "Whether the agent runs in the cluster, and so on no host. Unset: the town's `cloud.enable`.";
    };
    image = mkOption {
      type = nullOr types.imageReference;
      default = null;
      example = "ghcr.io/joshperry/nuketown/ada:1.2.3";
      description = "A whole image reference with a tag or digest, in place of the one that nuketown would choose.";
    };
    imageDerivation = mkOption {
      type = nullOr (submodule {
        options = {
          tag = mkOption {
            type = types.imageTag;
            example = "0p9x7l3c";
            description = "The content hash that serves as tag.";
          };
          storePath = mkOption {
            type = types.storePath;
            example = "/nix/store/00000000000000000000000000000000-nix-image-ada.tar";
            description = "The image archive in the Nix store, which nix-snapshotter runs.";
          };
        };
      });
      default = null;
      example = lib.literalExpression "nuketown.lib.agentImage { inherit pkgs; name = \"ada\"; }";
      description = "The image made of the agent's own packages, as `nuketown.lib.agentImage` returns it.";
    };
    resources = mkOption {
      type = nullOr types.tierName;
      default = null;
      example = "standard";
      description = "The tier that the agent starts on. Unset: the town's `cloud.resources`.";
    };
    scaling = {
      maxResources = mkOption {
        type = nullOr types.tierName;
        default = null;
        example = "large";
        description = "The largest tier that the agent may ask for; it counts in the quota. Unset: the town's.";
      };
      idleTimeout = mkOption {
        type = nullOr types.seconds;
        default = null;
        example = 1800;
        description = "Seconds of idleness after which the agent goes back to its own tier. Unset: the town's.";
      };
    };
    identity = {
      gcpServiceAccount = mkOption {
        type = nullOr types.gcpServiceAccount;
        default = null;
        example = "ada-agent@myproject.iam.gserviceaccount.com";
        description = "GKE: the Google service account that the pod acts as; secrets come from Secret Manager.";
      };
      awsRoleArn = mkOption {
        type = nullOr types.awsRoleArn;
        default = null;
        example = "arn:aws:iam::123456789012:role/ada-agent";
        description = "EKS: the IAM role that the pod assumes; secrets come from AWS Secrets Manager. It needs `awsRegion`.";
      };
      awsRegion = mkOption {
        type = nullOr types.awsRegion;
        default = null;
        example = "eu-central-1";
        description = "EKS: the region of the secrets. It needs `awsRoleArn`.";
      };
      secretName = mkOption {
        type = nullOr types.objectName;
        default = null;
        example = "ada-secrets";
        description = "Elsewhere: the Kubernetes Secret that holds them. Unset, and no provider set: `nuketown-<name>`.";
      };
      scope = mkOption {
        type = nullOr str;
        default = null;
        example = "ada-*";
        description = "What the cloud's policies are scoped to: a secret outside of it is an error.";
      };
    };
    persistSizes = mkOption {
      type = types.namedBy types.persistPath types.quantity;
      default = { };
      example = { projects = "50Gi"; };
      description = "Bytes of single `persist` volumes. For the others: the town's `cloud.defaultPersistSize`.";
    };
  };
}
