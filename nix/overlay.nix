# Adds this project's packages to a package set: nuketown, nuketown-render, and one for each other program.
final: _prev: import ./packages.nix { pkgs = final; }
