# What nix-eval-jobs walks: a derivation per host, which carries the town.
{ lib, nuketown, ... }:
let
  jobs = nuketown.hostJobs {
    signi = { config.nuketown.town = { domain = "6bit.com"; agents.ada.uid = 1100; }; system = throw "evaluated"; };
  };
in
{
  "a derivation per host" = jobs.signi.type == "derivation" && jobs.signi.name == "nuketown-town-signi";
  "with the town as it is" = jobs.signi.town.agents.ada.uid == 1100;
}
