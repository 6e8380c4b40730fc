# Every agent's daemon is confined as far as its user's manager can; what sudo cannot live with is taken back for who has sudo.
{ lib, host, workstation, daemon, has, ... }:
let
  service = config: (daemon config "ada").serviceConfig;
  agent = { uid = 1100; daemon.enable = true; };
  plain = service (host [ { nuketown.agents.ada = agent; } ]);
  withSudo = service (host [ { nuketown.agents.ada = agent // { sudo.enable = true; }; } ]);
  withDevice = service (host [ { nuketown.agents.ada = agent // { devices = [ { subsystem = "tty"; } ]; }; } ]);
  belowHome = service (host [ { nuketown.agentsDir = "/home/agents"; nuketown.agents.ada = agent; } ]);
  keys = (workstation [ { nuketown.agents.ada = agent // { sudo.enable = true; portal.enable = true; github.enable = true; }; } ]).systemd.user.services.nuketown-keys-ada.serviceConfig;
in
{
  "it writes to its home and its runtime directory alone" = plain.ProtectSystem == "strict" && plain.ReadWritePaths == [ "/agents/ada" "%t" ];
  "it gains no privileges" = plain.NoNewPrivileges && plain.PrivateUsers && plain.RestrictSUIDSGID && plain.RestrictNamespaces;
  "it sees no home of others" = plain.InaccessiblePaths == [ "-/home" "-/root" ];
  "its own home may be below /home" = belowHome.InaccessiblePaths == [ "-/root" ];
  "it has no device" = plain.PrivateDevices;
  "a declared device is the only reason for devices" = !withDevice.PrivateDevices && withDevice.NoNewPrivileges;
  "with sudo, a setuid program starts" = !(withSudo ? NoNewPrivileges) && !(withSudo ? PrivateUsers) && !(withSudo ? SystemCallFilter);
  "what sudo does not mind stays" = withSudo.UMask == "0077" && withSudo ? TasksMax;
  "making keys never needs sudo" = keys.NoNewPrivileges && keys.PrivateDevices;
}
