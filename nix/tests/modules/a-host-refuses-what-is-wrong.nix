# Each message names the option, its value and the fix.
{ lib, host, hostWithout, workstation, refuses, isSound, sops, impermanence, ... }:
let
  ada = agent: { nuketown.agents.ada = { uid = 1100; } // agent; };
  two = second: host [ { nuketown.agents = { ada = { uid = 1100; }; bob = second; }; } ];
in
{
  "a sound host is not refused" = isSound (host [ (ada { }) ]);
  "a missing user id" = refuses [ "nuketown.agents.ada.uid is not set" "for example to 1100" ] (host [ { nuketown.agents.ada = { }; } ]);
  "no user id is needed in the cloud" = isSound (host [ { nuketown.agents.ada.cloud.enable = true; } ]);
  "two agents with one user id" = refuses [ "nuketown.agents.ada.uid and nuketown.agents.bob.uid are both 1100" "a uid of its own" ] (two { uid = 1100; });
  "two agents with one secret" =
    refuses [ "`ada` and `bob` share a secret" "key" ]
      (host [ { nuketown.agents = { ada = { uid = 1100; secrets.sshKey = "key"; }; bob = { uid = 1101; secrets.gpgKey = "key"; }; }; } ]);
  "a tier that does not exist" =
    refuses [ "agents.vox.cloud.resources is \"huge\"" "the town defines gpu, large, small, standard" "define cloud.tiers.huge" ]
      (host [ { nuketown.agents.vox.cloud = { enable = true; resources = "huge"; }; } ]);
  "a portal without a human" = refuses [ "nuketown.agents.ada.portal.enable is set and nuketown.human is not" "set nuketown.human" ] (host [ (ada { portal.enable = true; }) ]);
  "a human who is no user" = refuses [ "nuketown.human is \"jsoh\"" "users.users.jsoh" ] (host [ (ada { }) { nuketown.human = "jsoh"; } ]);
  "a human who is the agent" = refuses [ "approves itself" ] (host [ (ada { sudo.enable = true; }) { nuketown.human = "ada"; } ]);
  "secrets without sops" =
    refuses [ "nuketown.secretsProvider is \"sops\"" "\"ada/github-pat\"" "import sops-nix" "\"external\"" ]
      (hostWithout [ sops ] [ (ada { github.enable = true; }) ]);
  "secrets from somewhere else need no sops" = isSound (hostWithout [ sops ] [ (ada { github.enable = true; }) { nuketown.secretsProvider = "external"; } ]);
  "no secrets need no sops" = isSound (hostWithout [ sops ] [ (ada { }) ]);
  "an agent that is root anyway" = refuses [ "`ada` is root without asking" "wheel" ] (host [ (ada { }) { users.users.ada.extraGroups = [ "wheel" ]; } ]);
  "an agent that is root by a group's members" = refuses [ "docker" ] (host [ (ada { }) { users.groups.docker.members = [ "ada" ]; } ]);
  "nobody who answers" = refuses [ "nobody answers the requests of `ada`" ] (host [ (ada { sudo.enable = true; }) { nuketown.broker.enable = false; } ]);
  "two brokers" = refuses [ "two brokers" ] (workstation [ (ada { sudo.enable = true; }) { nuketown.broker.enable = true; } ]);
  "half an account of the broker" = refuses [ "half an account" ] (host [ (ada { sudo.enable = true; }) { nuketown.broker.jid = "broker@6bit.com"; } ]);
  "a broker with nobody to ask" =
    refuses [ "nuketown.broker.jid is set and nuketown.approver is not" ]
      (host [ (ada { sudo.enable = true; }) { nuketown.approver = null; nuketown.broker = { jid = "broker@6bit.com"; passwordSecret = "x"; }; } ]);
  "an account that the broker shares with an agent" =
    refuses [ "nuketown.broker.jid is \"ada@6bit.com\"" ]
      (host [ (ada { daemon.enable = true; xmpp.enable = true; sudo.enable = true; }) { nuketown.broker = { jid = "ada@6bit.com"; passwordSecret = "x"; }; } ]);
  "homes that are emptied and lose what is persisted" =
    refuses [ "nuketown.btrfsDevice" "projects" "impermanence" ]
      (hostWithout [ impermanence ] [ (ada { portal.enable = true; persist = [ "projects" ]; }) { nuketown.btrfsDevice = "0000"; nuketown.human = "josh"; users.users.josh = { }; } ]);
  "a pre-approved command that the broker cannot read" =
    lib.all (pattern: refuses [ "nuketown.agents.ada.sudo.preApproved holds ${builtins.toJSON pattern}" ] (host [ (ada { sudo = { enable = true; preApproved = [ pattern ]; }; }) ]))
      [ "bin/ls" "./ls" "/bin/../ls" "/bin/" "-x" ".." "systemctl * restart" "a b\\c" "a \\" (lib.concatStrings (lib.genList (_: "x") 1025)) ];
  "a pre-approved command that it can" =
    lib.all (pattern: isSound (host [ (ada { sudo = { enable = true; preApproved = [ pattern ]; }; }) ]))
      [ "ls" "/usr/bin/ls *" "ls a*b c" "ls \\* x" "ls a\\ b" "ls a\\\\b" "ls '' x" "ls *x *" ];
  "a device that breaks out of its udev rule" =
    refuses [ "nuketown.agents.ada.devices" "no udev rule can name" ] (host [ (ada { devices = [ { subsystem = "tty\", RUN+=\"/bin/sh"; } ]; }) ]);
  "a device by a value that breaks out" = refuses [ "no udev rule can name" ] (host [ (ada { devices = [ { subsystem = "tty"; attrs.idVendor = "1\""; } ]; }) ]);
  "a device by a pattern" = refuses [ "no udev rule can name" ] (host [ (ada { devices = [ { subsystem = "tty"; attrs.idVendor = "*"; } ]; }) ]);
  "a device by an attribute that breaks out" = refuses [ "no udev rule can name" ] (host [ (ada { devices = [ { subsystem = "tty"; attrs."a}" = "1"; } ]; }) ]);
  "homes whose path is a rule's syntax" = refuses [ "nuketown.agentsDir is \"/a %h\"" ] (host [ (ada { }) { nuketown.agentsDir = "/a %h"; } ]);
  "a btrfs device that is shell syntax" = refuses [ "the device of the homes" ] (host [ (ada { }) { nuketown.btrfsDevice = "$(id)"; } ]);
}
