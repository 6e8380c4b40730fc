# Wiring only: what lies in nix/ and examples/, under the names that flakes use.
#
# There is no nixpkgs input, on purpose. Nothing that a town needs comes from it, so this flake evaluates offline, has no lock
# file to keep fresh, and adds no second nixpkgs to the closure of the flake that uses it. What does need packages takes yours:
#
#     nuketown.lib.packagesFor pkgs    # { nuketown; nuketown-render; default; … }
#     nuketown.lib.checksFor nixpkgs   # { x86_64-linux = { … }; … }: every test of modules and options as a derivation
#     nuketown.lib.devShellFor pkgs    # what `make test` needs
#     nuketown.overlays.default        # pkgs.nuketown, pkgs.nuketown-render
#
# `packages`, `checks` and `devShells` are filled where an impure evaluation finds <nixpkgs>: `nix build --impure .#nuketown`.
{
  description = "Define an agent in Nix. Deploy it anywhere: your desk, your servers, the cloud.";

  outputs = _:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      perSystem = f: builtins.listToAttrs (map (system: { name = system; value = f system; }) systems);

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

      lib = import ./nix/lib.nix // {
        packagesFor = pkgs:
          let packages = import ./nix/packages.nix { inherit pkgs; };
          in packages // { default = packages.nuketown-render; };
        checksFor = nixpkgs: perSystem (system: import ./nix/checks.nix { inherit nixpkgs system; });
        # The image of the Argo CD sidecar, as a script that writes it to standard output.
        sidecarImageFor = pkgs: import ./sidecar-image/image.nix { inherit pkgs; };
        devShellFor = pkgs: import ./shell.nix { inherit pkgs; };
      };

      # The user's <nixpkgs>, which a pure evaluation does not show.
      found = builtins.tryEval (if builtins ? currentSystem then <nixpkgs> else throw "pure");
      fromNixpkgs = f: if found.success then perSystem (system: f (import found.value { inherit system; })) else { };
    in
    {
      inherit lib;

      overlays.default = import ./nix/overlay.nix;

      nixosModules = {
        default.imports = [ ./nix/nixos ];
        prosody.imports = [ ./nix/nixos/prosody.nix ];
      };
      homeManagerModules = {
        default.imports = [ ./nix/home-manager/broker.nix ];
        broker.imports = [ ./nix/home-manager/broker.nix ];
      };

      templates = templates // { default = templates.minimal; };

      packages = fromNixpkgs lib.packagesFor;
      devShells = fromNixpkgs (pkgs: { default = lib.devShellFor pkgs; });
      checks = if found.success then lib.checksFor found.value else { };
    };
}
