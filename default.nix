# `nix-build` without flakes: the package nuketown-render, from the nixpkgs that is given or on the search path.
# It has to be a nixpkgs with the Rust that Cargo.toml asks for (25.11 or later).
{ pkgs ? import <nixpkgs> { } }:

pkgs.callPackage ./nix/package.nix { }
