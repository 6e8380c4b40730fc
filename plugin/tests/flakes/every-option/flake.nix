# Every option that a town's owner or a cluster's operator can set, on a workstation, three devices and the cluster.
{
  outputs = _: {
    nuketown = {
      domain = "6bit.com";
      approver = "josh@6bit.com";
      approvalTimeout = 120;

      cloud = {
        imageMode = "oci";
        registry = "ghcr.io/joshperry/nuketown";
        resources = "standard";
        scaling = {
          maxResources = "large";
          idleTimeout = 3600;
        };
        storageClass = null;
        defaultPersistSize = "10Gi";
        agents.ada.persistSizes.projects = "50Gi";
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
      };

      # Declared for the desk and run in the cluster: what belongs to the desk has no effect there.
      agents.ada = {
        uid = 1100;
        role = "software";
        description = ''
          Writes firmware and web services.
          Knows the NixOS configuration of this town.
        '';
        portal.enable = true;
        sudo.enable = true;
        daemon = {
          enable = true;
          bootstrapModel = "claude-haiku-4-5-20251001";
          apiKeySecret = "ada/anthropic-api-key";
          headlessTimeout = 14400;
          repos = {
            nuketown.url = "git@github.com:joshperry/nuketown.git";
            mynix.url = "git@github.com:joshperry/mynix.git";
          };
        };
        xmpp = {
          enable = true;
          jid = "ada@6bit.com";
        };
        github = {
          enable = true;
          pat = "ada/github-pat";
        };
        persist = [ "projects" ".config/claude" ];
        cloud = {
          enable = true;
          resources = "standard";
          scaling.maxResources = "large";
          identity = {
            gcpServiceAccount = "ada-agent@myproject.iam.gserviceaccount.com";
            scope = "ada-*";
          };
        };
      };

      agents.liver = {
        role = "server";
        description = "Mail, chat and names for 6bit.com.";
        daemon.enable = true;
        xmpp.enable = true;
        sudo = {
          enable = true;
          preApproved = [
            "systemctl restart *"
            "journalctl *"
            "certbot renew"
          ];
        };
      };

      agents.gateway = {
        role = "network";
        description = "The router of the house.";
        daemon.enable = true;
        xmpp.enable = true;
      };

      agents.printer = {
        role = "fabrication";
        description = "The 3D printer in the workshop.";
        daemon.enable = true;
        xmpp.enable = true;
        devices = [
          { subsystem = "tty"; attrs = { idVendor = "1a86"; }; }
        ];
      };
    };
  };
}
