{ lib, host, ours, refusals, evaluate, town, ... }:
let
  modules = [ { nuketown.agents.ada = { uid = 1100; persist = [ "projects" ]; role = "general"; }; nuketown.agents.vox.cloud.enable = true; } ];
  config = host modules;
  unused = ours (evaluate [ ../../nixos ]).config;
  broken = host (modules ++ [ { users.users.x = throw "evaluated"; } ]);
in
{
  "it holds what was declared, without defaults" =
    config.nuketown.town == {
      domain = "6bit.com";
      approver = "josh@6bit.com";
      agents = { ada = { uid = 1100; persist = [ "projects" ]; }; vox.cloud.enable = true; };
    };
  "it is the one of mkTown" = config.nuketown.town == town (modules ++ [ { nuketown.approver = "josh@6bit.com"; } ]);
  "a host's own options are not in it" = !(host (modules ++ [ { nuketown.persistDir = "/kept"; nuketown.broker.jid = "a@b"; } ])).nuketown.town ? persistDir;
  "a host that only imports the module has none" = unused.nuketown.town == null;
  "such a host is left alone" = unused.users.users == { } && refusals unused == [ ] && unused.systemd.tmpfiles.rules == [ ];
  "nothing else of a host is evaluated" = builtins.deepSeq broken.nuketown.town true;
}
