# A whole town: ada at your desk, three machines that speak for themselves, and two agents in the cloud.
# Nobody says where an agent runs: a portal makes it a workstation agent, `cloud.enable` a cloud agent, neither a device.
{
  outputs = _:
    let
      domain = "example.org";
      # What every agent of this town has: a daemon with a key for the model's API, and a seat in the town's chat room.
      resident = name: {
        daemon = { enable = true; apiKeySecret = "${name}/anthropic-api-key"; };
        xmpp = { enable = true; rooms = [ "town@rooms.${domain}" ]; };
      };
    in
    {
      nuketown = {
        inherit domain;
        # Who is asked before anything privileged happens; no answer within two minutes is a no.
        approver = "josh@${domain}";
        approvalTimeout = 120;

        cloud = {
          registry = "ghcr.io/example/agents";
          storageClass = "standard-rwo";
          # From small to large. The operator labels the node pools; an agent names a tier and nothing else.
          tiers = {
            small = { cpu = "1"; memory = "2Gi"; nodeSelector."nuketown.io/tier" = "small"; };
            standard = { cpu = "2"; memory = "4Gi"; nodeSelector."nuketown.io/tier" = "standard"; };
            large = { cpu = "4"; memory = "8Gi"; nodeSelector."nuketown.io/tier" = "large"; };
            gpu = {
              cpu = "4";
              memory = "16Gi";
              resources."nvidia.com/gpu" = "1";
              nodeSelector."nuketown.io/tier" = "gpu";
              tolerations = [ { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; } ];
            };
            gpu-pair = {
              cpu = "8";
              memory = "32Gi";
              resources."nvidia.com/gpu" = "2";
              nodeSelector."nuketown.io/tier" = "gpu";
              tolerations = [ { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; } ];
            };
          };
          resources = "small";
          scaling.idleTimeout = 1800;
        };

        # Workstation: sits beside you in tmux, and asks in a dialog before it becomes root.
        agents.ada = resident "ada" // {
          uid = 1100;
          role = "software";
          description = "Software collaborator on signi: embedded systems, NixOS configuration, web projects.";
          portal.enable = true;
          sudo.enable = true;
          persist = [ "projects" ".config/claude" ];
          # The STM32 boards on the bench, by the vendor id of STMicroelectronics.
          devices = [ { subsystem = "usb"; attrs.idVendor = "0483"; } ];
          github.enable = true;
          daemon = {
            enable = true;
            apiKeySecret = "ada/anthropic-api-key";
            repos.nuketown.url = "git@github.com:joshperry/nuketown.git";
          };
        };

        # Device: the mail and chat server. Routine work needs no question, everything else does.
        agents.liver = resident "liver" // {
          uid = 1101;
          role = "server";
          description = "Prosody XMPP server, dovecot mail and DNS.";
          sudo = {
            enable = true;
            preApproved = [ "systemctl restart prosody" "journalctl *" "certbot renew" ];
          };
        };

        # Device: the home router.
        agents.gateway = resident "gateway" // {
          uid = 1102;
          role = "network";
          description = "Home gateway: WireGuard tunnels, nftables firewall, DHCP and DNS.";
        };

        # Device: a Raspberry Pi that may open the printer's serial port, and no other device.
        agents.printer = resident "printer" // {
          uid = 1103;
          role = "fabrication";
          description = "Runs Klipper for the Ender 3: print jobs, temperatures, failures.";
          devices = [ { subsystem = "tty"; attrs.idVendor = "1a86"; } ];
        };

        # Cloud: starts small, may ask for as much as `large`, and returns to small after half an hour without work.
        agents.vox = resident "vox" // {
          role = "research";
          description = "Reads, compares and summarises; writes reports into the handbook.";
          persist = [ "projects" ".config/claude" ];
          daemon = {
            enable = true;
            apiKeySecret = "vox/anthropic-api-key";
            repos.handbook.url = "https://github.com/example/handbook.git";
          };
          github.enable = true;
          network.egress = [ "pypi.org:443" "*.wikipedia.org:443" ];
          cloud = {
            enable = true;
            scaling.maxResources = "large";
            persistSizes.projects = "50Gi";
            identity.secretName = "vox-secrets";
          };
        };

        # Cloud, on a GPU: trains for hours, so it keeps its tier for longer.
        agents.forge = resident "forge" // {
          role = "training";
          description = "Trains and evaluates the print failure detector.";
          persist = [ "datasets" "checkpoints" ];
          daemon = {
            enable = true;
            apiKeySecret = "forge/anthropic-api-key";
            headlessTimeout = 43200;
            repos.detector.url = "git@github.com:example/print-failure-detector.git";
          };
          # The printer's camera archive, in the town's own network.
          network.egress = [ "10.20.0.0/16:9000" ];
          cloud = {
            enable = true;
            resources = "gpu";
            scaling = { maxResources = "gpu-pair"; idleTimeout = 7200; };
            persistSizes = { datasets = "500Gi"; checkpoints = "200Gi"; };
            identity.secretName = "forge-secrets";
          };
        };
      };
    };
}
