# Wiring only: what lies in nix/ and examples/, under the names that flakes use.
#
# There is no nixpkgs input, on purpose. Nothing that a town needs comes from it, so this flake evaluates offline, has no lock
# file to keep fresh, and adds no second nixpkgs to the closure of the flake that uses it. What does need packages takes yours:
#
#     nuketown.lib.packagesFor pkgs    # { nuketown-render; default; }
#     nuketown.lib.devShellFor pkgs    # what `make test` needs
#     nuketown.overlays.default        # pkgs.nuketown-render
{
  description = "Define an agent in Nix. Deploy it anywhere: your desk, your servers, the cloud.";

  outputs = _:
    let
      template = directory: description: {
        path = ./examples + "/${directory}";
        inherit description;
        welcomeText = ''
          # ${description}

          Look into `flake.nix`, change the names to yours, then print the manifests: `nuketown-render .`
        '';
      };
      templates = {
        minimal = template "minimal" "One agent in the cloud, in ten lines";
        town = template "town" "A workstation, three devices and two cloud agents, one of them on a GPU";
        gke = template "gke" "An agent on Google Kubernetes Engine, with Workload Identity";
        eks = template "eks" "An agent on Amazon EKS, with an IAM role";
        k3s = template "k3s" "An agent on a k3s of your own";
      };
    in
    {
      lib = import ./nix/lib.nix // {
        packagesFor = pkgs: rec {
          nuketown-render = pkgs.callPackage ./nix/package.nix { };
          default = nuketown-render;
        };
        # The image of the Argo CD sidecar, as a script that writes it to standard output.
        sidecarImageFor = pkgs: import ./sidecar-image/image.nix { inherit pkgs; };
        devShellFor = pkgs: import ./shell.nix { inherit pkgs; };
      };

      overlays.default = import ./nix/overlay.nix;

      templates = templates // { default = templates.minimal; };
    };
}
