# How far the services of an agent are confined. They run in the agent's own user manager, which has no privileges to give away:
# what systemd cannot do there without a user namespace, it does inside of one.
{ lib }:

{ home, agentsDir, devices, sudo }:
{
  # What is written belongs to the agent alone.
  UMask = "0077";
  # A fork bomb ends here, not at the host's limit.
  TasksMax = 8192;
  # One process too many in a build must not end the agent.
  OOMPolicy = "continue";
}
// lib.optionalAttrs (!sudo) {
  # With sudo, none of these can be: a setuid program neither starts under NoNewPrivileges nor finds root in a user namespace.
  # What stands against that agent is its user's own rights and the approval of each command.
  NoNewPrivileges = true;
  PrivateUsers = true;
  PrivateTmp = true;
  # Without a device of its own, it has none.
  PrivateDevices = devices == [ ];
  ProtectSystem = "strict";
  # Its home, and its runtime directory with the sockets of tmux and GnuPG.
  ReadWritePaths = [ home "%t" ];
  # Not ProtectHome: it hides /run/user too, where the agent's own sockets are.
  InaccessiblePaths = map (path: "-${path}") (lib.filter (path: !lib.hasPrefix "${path}/" "${agentsDir}/") [ "/home" "/root" ]);
  ProtectClock = true;
  ProtectControlGroups = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  LockPersonality = true;
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  # Netlink is how programs ask for the network's state.
  RestrictAddressFamilies = [ "AF_UNIX" "AF_INET" "AF_INET6" "AF_NETLINK" ];
  SystemCallArchitectures = "native";
  # Besides, what a program confines itself further with: the daemon does, for what its sessions run.
  SystemCallFilter = [ "@system-service" "landlock_create_ruleset" "landlock_add_rule" "landlock_restrict_self" "seccomp" ];
  SystemCallErrorNumber = "EPERM";
  # Not MemoryDenyWriteExecute: compilers at run time (Node.js, and so Claude Code; browsers; Java) write what they execute.
}
