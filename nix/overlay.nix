# Adds nuketown-render to a package set.
final: _prev: {
  nuketown-render = final.callPackage ./package.nix { };
}
