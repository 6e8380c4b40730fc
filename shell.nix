# `nix-shell` without flakes: what `make test` needs, from the nixpkgs that is given or on the search path.
{ pkgs ? import <nixpkgs> { } }:

pkgs.mkShell {
  packages = [
    pkgs.cargo
    pkgs.clippy
    pkgs.git
    pkgs.gnumake
    pkgs.nix
    pkgs.python3
    pkgs.rustc
    pkgs.rustfmt
    pkgs.shellcheck
  ];
}
