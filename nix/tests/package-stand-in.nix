# Evaluates the package recipe against a stand-in for nixpkgs, of which it has only what the recipe asks for.
let
  lib = {
    removePrefix = prefix: string:
      if lib.hasPrefix prefix string
      then builtins.substring (builtins.stringLength prefix) (-1) string
      else string;
    hasPrefix = prefix: string: builtins.substring 0 (builtins.stringLength prefix) string == prefix;
    cleanSourceWith = { name, src, filter }: builtins.path { inherit name filter; path = src; };
    optionalString = condition: string: if condition then string else "";
    escapeShellArg = string: "'${string}'";
    licenses.mit = "MIT";
    platforms.unix = [ "x86_64-linux" ];
  };
  stdenv = {
    buildPlatform.canExecute = _: true;
    hostPlatform = { };
  };
  packages = {
    inherit lib stdenv;
    # The arguments themselves, so that they can be looked at.
    rustPlatform.buildRustPackage = arguments: arguments;
    installShellFiles = "installShellFiles";
    buildEnv = arguments: arguments;
    dockerTools.streamLayeredImage = arguments: arguments;
    nix = "nix";
    gitMinimal = "gitMinimal";
    cacert = "cacert";
  };
  pkgs = packages // { callPackage = recipe: overrides:
    let function = import recipe;
    in function (builtins.intersectAttrs (builtins.functionArgs function) packages // overrides);
  };

  packages' = import ../packages.nix { inherit pkgs; };
  package = packages'.nuketown-render;
  same = other: builtins.toJSON other == builtins.toJSON package;
in
{
  facts = {
    inherit (package) pname version;
    sameFromOverlay = same (import ../overlay.nix pkgs { }).nuketown-render;
    sameFromFlake = same (((import ../../flake.nix).outputs { }).lib.packagesFor pkgs).default;
    # Each program of the workspace is in a package of its own, and all are in one.
    names = builtins.attrNames packages';
    allInOne = builtins.all (other: builtins.all (flag: builtins.elem flag packages'.nuketown.cargoBuildFlags) other.cargoBuildFlags)
      (builtins.attrValues packages');
    sameFromDefaultNix = same (import ../../default.nix { inherit pkgs; });
  };
  # What the recipe of the sidecar's image asks dockerTools for.
  image =
    let image = ((import ../../flake.nix).outputs { }).lib.sidecarImageFor pkgs;
    in {
      inherit (image) name tag config;
      paths = map (path: path.pname or path) image.contents.paths;
    };
  source = package.src;
}
