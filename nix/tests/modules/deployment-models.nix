# The table of the three deployment models: for each row and column, what the evaluated configuration says.
{ lib, host, workstation, town, nuketown, names, isSound, daemon, has, ... }:
let
  agent = { uid = 1100; daemon.enable = true; xmpp.enable = true; sudo = { enable = true; preApproved = [ "journalctl *" ]; }; persist = [ "projects" ]; };
  desk = workstation [ { nuketown.btrfsDevice = "0000-0000"; nuketown.agents.ada = agent // { portal.enable = true; devices = [ { subsystem = "tty"; } ]; }; } ];
  device = host [ { nuketown.btrfsDevice = "0000-0000"; nuketown.agents.liver = agent; } ];
  cloud = workstation [ { nuketown.btrfsDevice = "0000-0000"; nuketown.agents.vox = agent // { portal.enable = true; devices = [ { subsystem = "tty"; } ]; cloud.enable = true; }; } ];
  model = name: config:
    let all = import ../../town/model.nix { inherit lib; }; in all.deploymentModel config.nuketown config.nuketown.agents.${name};
in
{
  "each is what its options say" = map (pair: pair) [ (model "ada" desk) (model "liver" device) (model "vox" cloud) ] == [ "workstation" "device" "cloud" ];
  "all three are sound" = lib.all isSound [ desk device cloud ];
  "hardware: a user's on a host, nobody's in the cloud" = desk.users.users ? ada && device.users.users ? liver && !cloud.users.users ? vox;
  "home: empty at each boot on a workstation" = names desk.fileSystems == [ "/agents/ada" ];
  "home: kept on a device, though the town has a btrfs device" = device.fileSystems == { } && device.boot.initrd.postDeviceCommands == "";
  "home: no host's matter in the cloud" = cloud.fileSystems == { };
  "approval: the human's broker on a workstation" = !desk.systemd.services ? nuketown-broker && lib.any (has "/run/nuketown-broker 0755 josh") desk.systemd.tmpfiles.rules;
  "approval: a broker without a desktop on a device" = device.systemd.services ? nuketown-broker;
  "approval: none on a host for the cloud" = !cloud.systemd.services ? nuketown-broker && cloud.security.sudo.extraRules == [ ];
  "portal: on a workstation only" = map (config: lib.length config.environment.systemPackages) [ desk device cloud ] == [ 1 0 0 ];
  "devices: where there is hardware" = has "user:ada:rw" desk.services.udev.extraRules && cloud.services.udev.extraRules == "";
  "daemon: on hosts, as a service of the agent's" = map (config: names config.systemd.user.services) [ desk device cloud ] == [ [ "nuketown-daemon-ada" ] [ "nuketown-daemon-liver" ] [ ] ];
  "scaling: what is tuned for a cluster has no effect on a host" =
    lib.any (has "agents.ada.cloud has no effect") (workstation [ { nuketown.agents.ada = agent // { portal.enable = true; cloud.resources = "large"; }; } ]).warnings;
  "what has no effect in the cloud is said" = lib.all (option: lib.any (has "agents.vox.${option} has no effect") cloud.warnings) [ "portal.enable" "devices" ];
}
