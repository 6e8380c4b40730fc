# The package nuketown-render: the programs nuketown-render, with its man page and shell completions, and nuketown-cmp. Called by `callPackage`.
{ lib
, stdenv
, rustPlatform
, installShellFiles
}:

let
  workspace = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace;

  # What cargo reads, so that a change to the documentation or to an example builds nothing anew.
  sources = [ "Cargo.toml" "Cargo.lock" ] ++ workspace.members;
  root = toString ../.;
  inside = path:
    let relative = lib.removePrefix "${root}/" (toString path);
    in builtins.any (source: relative == source || lib.hasPrefix "${source}/" relative) sources;
in
rustPlatform.buildRustPackage {
  pname = "nuketown-render";
  inherit (workspace.package) version;

  src = lib.cleanSourceWith {
    name = "nuketown-source";
    src = ../.;
    filter = path: _type: inside path;
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = [ "--package" "nuketown-plugin" ];

  # The tests evaluate real flakes with a real Nix and read manifests back with foreign YAML readers, neither of which a build
  # sandbox offers. `make test` is where they run.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];

  # The program writes its own man page and completions, which a cross build cannot run.
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/nuketown-render man > nuketown-render.1
    for command in application check diff home images schema; do
      $out/bin/nuketown-render man $command > nuketown-render-$command.1
    done
    installManPage nuketown-render*.1
    for shell in bash fish zsh; do
      $out/bin/nuketown-render completions $shell > nuketown-render.$shell
    done
    installShellCompletion --cmd nuketown-render \
      --bash nuketown-render.bash --fish nuketown-render.fish --zsh nuketown-render.zsh
  '';

  # Fails the build if what was installed does not start.
  doInstallCheck = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  installCheckPhase = ''
    runHook preInstallCheck
    for program in nuketown-render nuketown-cmp; do
      $out/bin/$program --version | grep -F ${lib.escapeShellArg workspace.package.version}
    done
    runHook postInstallCheck
  '';

  meta = {
    description = "Renders the agents declared in a flake as Kubernetes manifests";
    homepage = workspace.package.repository;
    license = lib.licenses.mit;
    mainProgram = "nuketown-render";
    platforms = lib.platforms.unix;
  };
}
