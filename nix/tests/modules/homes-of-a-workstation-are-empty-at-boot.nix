{ lib, workstation, host, has, names, ... }:
let
  base = {
    nuketown.btrfsDevice = "8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f";
    nuketown.agents.ada = { uid = 1100; portal.enable = true; persist = [ "projects" ]; github.enable = true; };
    nuketown.agents.liver = { uid = 1101; persist = [ "projects" ]; };
  };
  config = workstation [ base ];
  withSystemd = workstation [ base { boot.initrd.systemd.enable = true; } ];
  service = withSystemd.boot.initrd.systemd.services.nuketown-homes;
  mount = config.fileSystems."/agents/ada";
in
{
  "only a workstation agent's" = names config.fileSystems == [ "/agents/ada" ] && !has "liver" config.boot.initrd.postDeviceCommands;
  "the home is a subvolume of the device" = mount.device == "/dev/disk/by-uuid/8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f" && lib.elem "subvol=nuketown/ada" mount.options;
  "programs there gain no privileges" = lib.elem "nosuid" mount.options && lib.elem "nodev" mount.options;
  "it is emptied before it is mounted" = has "btrfs subvolume create" config.boot.initrd.postDeviceCommands && mount.neededForBoot;
  "nothing is deleted before the host has started" = !has "delete" config.boot.initrd.postDeviceCommands && has "btrfs subvolume delete" config.systemd.services.nuketown-old-homes.script;
  "it is the agent's" = has "chown 1100:1100" config.boot.initrd.postDeviceCommands;
  "with systemd in the initrd, a failure keeps the home unmounted" = service.requiredBy == [ "sysroot-agents-ada.mount" ] && service.before == service.requiredBy && has "btrfs subvolume create" service.script;
  "with systemd, the other way is not used" = withSystemd.boot.initrd.postDeviceCommands == "" && config.boot.initrd.systemd.services == { };
  "what is persisted is kept, keys too" =
    map (directory: directory.directory) config.environment.persistence."/persist".users.ada.directories == [ "projects" ".ssh" ".gnupg" ];
  "a device's home is kept whole" = !config.environment.persistence."/persist".users ? liver;
  "without a btrfs device, homes stay" = (workstation [ base { nuketown.btrfsDevice = lib.mkForce null; } ]).fileSystems == { };
}
