# The flake library: what another flake can call as `nuketown.lib`. It needs no nixpkgs.
#
# A plain town needs none of this, nuketown-render evaluates it as it stands. `toKubeManifests` is for configurations that
# want the manifests inside Nix, to write them to a store path or to hand them to another tool.
let
  cargo = builtins.fromTOML (builtins.readFile ../Cargo.toml);

  # A NixOS configuration carries its town as `config.nuketown.town`; anything else is a town itself.
  isNixos = config: config ? nuketown.town;

  townOf = config:
    let town = if isNixos config then config.nuketown.town else config;
    in
    if builtins.isAttrs config
    then removeAttrs town [ "renderer" ]
    else throw ''
      nuketown: toKubeManifests takes a town or a NixOS configuration's `config`, not a ${builtins.typeOf config}
        hint: toKubeManifests (town // { renderer = nuketown-render; })'';

  rendererOf = config:
    let renderer = if isNixos config then config.nuketown.renderer or null else config.renderer or null;
    in
    if renderer != null then renderer
    else throw ''
      nuketown: toKubeManifests needs the program that renders, and found none
        cause: ${if isNixos config then "config.nuketown.renderer" else "the attribute `renderer` beside the town's own"} is missing
        hint: give it the package nuketown-render, or a path with bin/nuketown-render in it'';

  # Where the derivation runs: on the renderer's own system, and for a mere path on this one, which a pure evaluation hides.
  systemOf = renderer:
    renderer.system or builtins.currentSystem or (throw ''
      nuketown: toKubeManifests cannot tell which system the renderer is for
        cause: a pure evaluation hides the current system, and the renderer is a path, not a package
        hint: give it the package nuketown-render, or a set { outPath = <the path>; system = "x86_64-linux"; }'');

  # Runs the renderer over the town; the result is a directory with one file per agent and one for the namespace.
  #
  # The town's string context is dropped on purpose: manifests name an agent's image by its tag, and rendering them must not
  # build it.
  render = renderer: town:
    derivation {
      name = "nuketown-manifests";
      system = systemOf renderer;
      builder = "${renderer}/bin/nuketown-render";
      args = [
        "--from-json"
        (builtins.toFile "town.json" (builtins.unsafeDiscardStringContext (builtins.toJSON town)))
        "--format"
        "dir"
        "--out"
        (builtins.placeholder "out")
      ];
    };

  # ada.yaml -> ada
  withoutExtension = file:
    let match = builtins.match "(.*)\\.yaml" file;
    in if match == null
    then throw "nuketown: the renderer wrote ${file}, which is no manifest; is it of another version than this library?"
    else builtins.head match;
in
{
  # The version of nuketown, which Cargo.toml states once for everything.
  inherit (cargo.workspace.package) version;

  # Resource tiers whose node pools carry the label `nuketown.io/tier`: use them whole (`cloud.tiers = nuketown.lib.tiers;`)
  # or merge your own (`nuketown.lib.tiers // { huge = …; }`). A town that defines no tiers gets the same sizes without
  # node selectors.
  tiers = {
    small = {
      cpu = "1";
      memory = "2Gi";
      nodeSelector."nuketown.io/tier" = "small";
    };
    standard = {
      cpu = "2";
      memory = "4Gi";
      nodeSelector."nuketown.io/tier" = "standard";
    };
    large = {
      cpu = "4";
      memory = "8Gi";
      nodeSelector."nuketown.io/tier" = "large";
    };
    gpu = {
      cpu = "4";
      memory = "16Gi";
      resources."nvidia.com/gpu" = "1";
      nodeSelector."nuketown.io/tier" = "gpu";
      tolerations = [ { key = "nvidia.com/gpu"; operator = "Exists"; effect = "NoSchedule"; } ];
    };
  };

  # { modules; lib; } -> the plain town that these modules declare below `nuketown`, as nuketown-render reads it. `lib` is
  # nixpkgs' library. A town that the renderer would refuse is refused here.
  mkTown = import ./town/make.nix;

  # The image of one agent out of nixpkgs, and the archive to push: image.nix.
  inherit (import ./image.nix) agentImage agentImageArchive;

  # { signi = nixosConfigurations.signi; … } -> a derivation per host that carries its town: `nix-eval-jobs --apply
  # 'job: { inherit (job) town; }'` evaluates the hosts in parallel. Nothing of a host but its town is evaluated.
  hostJobs = builtins.mapAttrs (name: host:
    let inherit (host.config.nuketown) town; in
    derivation {
      name = "nuketown-town-${name}";
      system = "x86_64-linux";
      builder = "/bin/sh";
      args = [ "-c" "echo \"$town\" >\"$out\"" ];
      town = builtins.unsafeDiscardStringContext (builtins.toJSON town);
    } // { inherit town; });

  # config -> { "00-namespace" = yaml; <agent> = yaml; … }
  #
  # `config` is a town with `renderer` beside its own attributes, or a NixOS configuration's `config` (the town is then
  # `config.nuketown.town`, the renderer `config.nuketown.renderer`). The renderer is the package nuketown-render, or a path
  # that holds bin/nuketown-render. The names sort in the order in which the manifests have to be applied.
  #
  # Reading the result back is import from derivation: the evaluation builds, which `--option
  # allow-import-from-derivation false` forbids. Where that matters, call nuketown-render itself.
  toKubeManifests = config:
    let
      town = townOf config;
      # The town first: of an argument that is none, nothing else is worth saying.
      manifests = builtins.seq town (render (rendererOf config) town);
      files = builtins.attrNames (builtins.readDir manifests);
      named = file: { name = withoutExtension file; value = builtins.readFile "${manifests}/${file}"; };
    in
    builtins.listToAttrs (map named files);
}
