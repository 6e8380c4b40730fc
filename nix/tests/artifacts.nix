# What the modules make of two hosts, as the files that the system's own tools read: units, sudoers, udev rules, scripts, homes.
{ library, package }:

let
  harness = import ./harness.nix { inherit library package; };
  inherit (harness) lib host workstation;
  inherit (lib) concatMapStrings concatStringsSep mapAttrsToList;

  town = {
    nuketown.agents.ada = {
      uid = 1100;
      role = "software";
      description = "Works with josh on signi.";
      portal.enable = true;
      sudo.enable = true;
      daemon = { enable = true; apiKeySecret = "ada/anthropic-api-key"; };
      xmpp.enable = true;
      github.enable = true;
      devices = [ { subsystem = "tty"; attrs.idVendor = "1a86"; } ];
      persist = [ "projects" ".config/claude" ];
    };
    nuketown.btrfsDevice = "8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f";
  };
  desk = workstation [ town ];
  deskWithSystemd = workstation [ town { boot.initrd.systemd.enable = true; } ];
  device = host [
    {
      nuketown.broker = { jid = "liver-broker@6bit.com"; passwordSecret = "liver/broker-password"; };
      nuketown.agents.liver = { uid = 1101; sudo = { enable = true; preApproved = [ "journalctl *" ]; }; daemon.enable = true; };
      nuketown.agents.gateway = { uid = 1102; daemon.enable = true; xmpp.enable = true; };
    }
  ];

  # As nixpkgs writes units: a list is the directive several times.
  value = v: if v == true then "true" else if v == false then "false" else toString v;
  directive = key: v: if builtins.isList v then concatMapStrings (one: "${key}=${value one}\n") v else "${key}=${value v}\n";
  section = name: entries: "[${name}]\n" + concatStringsSep "" (mapAttrsToList directive entries);
  # Search paths as nixpkgs makes them of packages and of directories.
  unit = service:
    let
      get = key: default: service.${key} or default;
      path = concatStringsSep ":" (map (entry: "${entry}/bin") (get "path" [ ]));
      environment = mapAttrsToList (key: v: "\"${key}=${v}\"") (get "environment" { }) ++ lib.optional (path != "") "\"PATH=${path}\"";
    in
    section "Unit" ({ Description = service.description; After = get "after" [ ]; Wants = get "wants" [ ]; } // get "unitConfig" { })
    + section "Service" ({ Environment = environment; } // service.serviceConfig)
    + section "Install" { WantedBy = service.wantedBy; };

  rule = { users, runAs, commands }:
    let command = c: "${lib.concatMapStrings (option: "${option}: ") c.options}${c.command}";
    in concatMapStrings (user: "${user} ALL=(${runAs}) ${lib.concatMapStringsSep ", " command commands}\n") users;

  files = {
    "desk/nuketown-daemon-ada.service" = unit desk.systemd.user.services.nuketown-daemon-ada;
    "desk/nuketown-keys-ada.service" = unit desk.systemd.user.services.nuketown-keys-ada;
    "desk/sudoers" = concatMapStrings rule desk.security.sudo.extraRules;
    "desk/90-nuketown.rules" = desk.services.udev.extraRules;
    "desk/rollback.sh" = "#!/bin/bash\n" + desk.boot.initrd.postDeviceCommands;
    "desk/rollback-systemd.sh" = "#!/bin/bash\n" + deskWithSystemd.boot.initrd.systemd.services.nuketown-homes.script;
    "desk/sweep.sh" = "#!/bin/bash\n" + desk.systemd.services.nuketown-old-homes.script;
    "desk/profile.sh" = "#!/bin/bash\n" + desk.environment.extraInit;
    "desk/tmpfiles.conf" = concatMapStrings (line: line + "\n") desk.systemd.tmpfiles.rules;
    "desk/nuketown-old-homes.service" = unit (desk.systemd.services.nuketown-old-homes // {
      serviceConfig = desk.systemd.services.nuketown-old-homes.serviceConfig // { ExecStart = "/bin/sh -c true"; };
    });
    "device/nuketown-daemon-liver.service" = unit device.systemd.user.services.nuketown-daemon-liver;
    "device/nuketown-daemon-gateway.service" = unit device.systemd.user.services.nuketown-daemon-gateway;
    "device/nuketown-broker.service" = unit device.systemd.services.nuketown-broker;
    "device/sudoers" = concatMapStrings rule device.security.sudo.extraRules;
  };
  links = {
    "desk/portal" = "${lib.head desk.environment.systemPackages}/bin/portal-ada";
    "desk/home" = desk.environment.etc."nuketown/agents/ada".source;
    "desk/sudo" = "${desk.nuketown.sudoCommand}/bin/sudo";
    "desk/programs" = harness.programs;
  };

  numbered = lib.imap0 (index: path: { variable = "file_${toString index}"; inherit path; }) (lib.attrNames files);
  variables = lib.listToAttrs (map (file: lib.nameValuePair file.variable files.${file.path}) numbered);
in
{
  # Files of this derivation, with all that they name.
  all = derivation ({
    name = "artifacts";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    PATH = "/usr/bin:/bin";
    args = [
      "-euc"
      (''mkdir -p "$out/desk" "$out/device"; ''
        + concatMapStrings (file: ''printf '%s' "''${${file.variable}}" >"$out/${file.path}"; '') numbered
        + concatStringsSep "" (mapAttrsToList (path: target: ''ln -s ${target} "$out/${path}"; '') links))
    ];
  } // variables);

  town = desk.nuketown.town;

  # Units that are named by a path, and the paths.
  unitNames =
    let service = deskWithSystemd.boot.initrd.systemd.services.nuketown-homes; in [
      { path = "/dev/disk/by-uuid/8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f"; suffix = "device"; unit = lib.head service.after; }
      { path = "/sysroot/agents/ada"; suffix = "mount"; unit = lib.head service.before; }
    ];

  # What a host gives ada, and what the same agent in the cluster is declared with.
  equivalence = {
    cloudTown = desk.nuketown.town // { btrfsDevice = null; agents.ada = removeAttrs desk.nuketown.town.agents.ada [ "portal" "devices" ] // { cloud.enable = true; }; };
    uid = desk.users.users.ada.uid;
    home = desk.users.users.ada.home;
    kept = map (entry: entry.directory) desk.environment.persistence."/persist".users.ada.directories;
    secrets = lib.attrNames desk.sops.secrets;
    writable = device.systemd.user.services.nuketown-daemon-gateway.serviceConfig.ReadWritePaths;
    noNewPrivileges = device.systemd.user.services.nuketown-daemon-gateway.serviceConfig.NoNewPrivileges;
  };
}
