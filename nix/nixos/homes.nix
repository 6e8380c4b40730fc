# What is in an agent's home: files of the town's, an empty start at each boot on a workstation, and what is kept over it.
{ config, lib, options, pkgs, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };

  # The renderer reads what Kubernetes and everybody else reads. What the town refers to is not needed for it.
  town = pkgs.writeText "town.json" (builtins.unsafeDiscardStringContext (builtins.toJSON cfg.town));

  # The code that writes a pod's files writes these, and refuses the same towns, while the system is built.
  files = name: agent: pkgs.runCommand "nuketown-home-${name}" { } ''
    ${cfg.renderer}/bin/nuketown-render home ${name} --from-json ${town} --out "$out"
    cp ${pkgs.writeText "prompt.md" (import ./prompt.nix { inherit lib; } cfg name agent)} "$out/.config/nuketown/prompt.md"
  '';

  # Links, so that a new configuration is there without touching the home. The agent's own, or systemd-tmpfiles would not follow
  # the path through a home that is the agent's.
  links = name: _: [
    "d ${names.home name}/.config 0755 ${name} ${name} -"
    "L+ ${names.home name}/.config/nuketown - ${name} ${name} - /etc/${names.configuration name}/.config/nuketown"
    # Claude Code reads this file in every directory above the one that it works in.
    "L+ ${names.home name}/CLAUDE.md - ${name} ${name} - /etc/${names.configuration name}/.config/nuketown/prompt.md"
  ];

  ephemeral = lib.filterAttrs (_: names.isEphemeral) cfg.hostAgents;
  device = "/dev/disk/by-uuid/${cfg.btrfsDevice}";
  subvolume = name: "nuketown/${name}";

  mount = name: _: lib.nameValuePair (names.home name) {
    inherit device;
    fsType = "btrfs";
    options = [ "subvol=${subvolume name}" "nosuid" "nodev" ];
    # Impermanence puts its own mounts inside.
    neededForBoot = true;
  };

  # Puts an empty subvolume in the place of each home. The old ones are only moved: nothing that an agent did to its home may
  # keep the host from starting.
  rollback = lib.concatStringsSep "\n" (
    [
      "mkdir -p ${mountPoint}"
      "mount -t btrfs -o subvol=/ ${device} ${mountPoint}"
      "mkdir -p ${mountPoint}/nuketown/old"
    ]
    ++ lib.mapAttrsToList rollbackOne ephemeral
    ++ [ "umount ${mountPoint}" ]
  );
  rollbackOne = name: agent: ''
    home=${mountPoint}/${subvolume name}
    if [ -e "$home" ]; then
        last=0
        while [ -e "${mountPoint}/nuketown/old/${name}.$last" ]; do last=$((last + 1)); done
        mv "$home" "${mountPoint}/nuketown/old/${name}.$last"
    fi
    btrfs subvolume create "$home"
    chown ${toString agent.uid}:${toString agent.uid} "$home"
    chmod 700 "$home"
  '';

  # Deletes the old homes but each agent's last one, for whoever forgot something. The last one gets the number 0, where the
  # next start begins to count. A directory with the inode 256 is a subvolume: agents may make some inside of their homes.
  sweepOne = name: _: ''
    old=${mountPoint}/nuketown/old/${name}
    last=0
    while [ -e "$old.$((last + 1))" ]; do last=$((last + 1)); done
    for ((number = 0; number < last; number++)); do
        find "$old.$number" -depth -inum 256 -type d -print0 | while IFS= read -r -d "" inner; do
            btrfs subvolume delete "$inner"
        done
    done
    if [ "$last" -gt 0 ] && [ ! -e "$old.0" ]; then mv "$old.$last" "$old.0"; fi
  '';
  sweep = lib.concatStringsSep "\n" ([ "mount -t btrfs -o subvol=/ ${device} ${mountPoint}" ] ++ lib.mapAttrsToList sweepOne ephemeral);
  mountPoint = "/run/nuketown-homes";
  # Names of units, by systemd's own escaping (systemd-escape(1)).
  unitName = path: lib.concatMapStringsSep "-" (lib.replaceStrings [ "-" ] [ "\\x2d" ]) (lib.splitString "/" (lib.removePrefix "/" path));
  deviceUnit = "${unitName device}.device";
  mountUnits = map (name: "${unitName "/sysroot${names.home name}"}.mount") (lib.attrNames ephemeral);

  hasSystemdInitrd = config.boot.initrd.systemd.enable or false;
in
{
  config = lib.mkMerge [
    {
      environment.etc = lib.mapAttrs' (name: agent: lib.nameValuePair (names.configuration name) { source = files name agent; }) cfg.hostAgents;
      systemd.tmpfiles.rules = lib.concatLists (lib.mapAttrsToList links cfg.hostAgents);
    }
    (lib.mkIf (ephemeral != { }) {
      fileSystems = lib.mapAttrs' mount ephemeral;
      boot.initrd.supportedFilesystems = [ "btrfs" ];
      boot.initrd.postDeviceCommands = lib.mkIf (!hasSystemdInitrd) (lib.mkAfter ''
        (
            set -eu
            ${rollback}
        )
      '');
      boot.initrd.systemd.services.nuketown-homes = lib.mkIf hasSystemdInitrd {
        description = "Empty homes for the agents of this workstation";
        wantedBy = [ "initrd.target" ];
        after = [ deviceUnit ];
        requires = [ deviceUnit ];
        # A home that could not be emptied is not mounted.
        before = mountUnits;
        requiredBy = mountUnits;
        unitConfig.DefaultDependencies = false;
        serviceConfig.Type = "oneshot";
        script = ''
          set -eu
          ${rollback}
        '';
      };
      systemd.services.nuketown-old-homes = {
        description = "Deletes old homes of this workstation's agents";
        wantedBy = [ "multi-user.target" ];
        path = [ pkgs.btrfs-progs pkgs.coreutils pkgs.findutils pkgs.util-linux ];
        serviceConfig = {
          Type = "oneshot";
          RuntimeDirectory = "nuketown-homes";
          # Where all homes can be seen, this service alone sees them.
          PrivateMounts = true;
          PrivateNetwork = true;
          ProtectHome = true;
          ProtectSystem = "strict";
        };
        script = ''
          set -euo pipefail
          ${sweep}
        '';
      };
    })
    (lib.optionalAttrs (options ? environment.persistence) {
      environment.persistence = lib.mkIf (lib.any (agent: names.kept agent != [ ]) (lib.attrValues ephemeral)) {
        ${cfg.persistDir}.users = lib.mapAttrs
          (name: agent: {
            home = names.home name;
            directories = map (directory: { inherit directory; mode = "0700"; }) (names.kept agent);
          })
          ephemeral;
      };
    })
  ];
}
