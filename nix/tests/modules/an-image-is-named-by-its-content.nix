# Against a stand-in of dockerTools: what it is called with, and what is made of it.
{ lib, nuketown, standInPkgs, town, ... }:
let
  arguments = { pkgs = standInPkgs; name = "ada"; packages = [ "/own" ]; uid = 1234; registry = "registry.example.org/town"; nuketown = "/nuketown"; };
  archive = nuketown.agentImageArchive arguments;
  image = nuketown.agentImage arguments;
  declared = town [ { nuketown.agents.ada.cloud = { enable = true; imageDerivation = image; }; } ];
in
{
  "the tag is left to the content" = archive.tag == null;
  "it is called as the manifests call it" = archive.name == "registry.example.org/town/nuketown-ada";
  "the agent's packages are in it" = lib.elem "/own" archive.contents && lib.elem "/nuketown" archive.contents;
  "it runs the daemon as the agent" = archive.config.Entrypoint == [ "/bin/nuketown-daemon" ] && archive.config.User == "1234:1234";
  "it holds no password and no key" = !lib.any (entry: builtins.match ".*(KEY|TOKEN|PASSWORD|SECRET).*" entry != null) archive.config.Env;
  "a town takes it as it is" = declared.agents.ada.cloud.imageDerivation == image && builtins.attrNames image == [ "storePath" "tag" ];
}
