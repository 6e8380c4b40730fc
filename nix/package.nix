# A package of this workspace: some of its programs, and the man page and shell completions of nuketown-render where that is
# among them. Called by `callPackage`; packages.nix says which packages there are.
{ lib
, stdenv
, rustPlatform
, installShellFiles
, pname ? "nuketown-render"
, crates ? [ "plugin" ]
, commands ? [ "nuketown-render" "nuketown-cmp" ]
}:

let
  runs = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  renders = builtins.elem "nuketown-render" commands;

  workspace = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace;

  # What cargo reads, so that a change to the documentation or to an example builds nothing anew.
  sources = [ "Cargo.toml" "Cargo.lock" ] ++ workspace.members;
  root = toString ../.;
  inside = path:
    let relative = lib.removePrefix "${root}/" (toString path);
    in builtins.any (source: relative == source || lib.hasPrefix "${source}/" relative) sources;
in
rustPlatform.buildRustPackage {
  inherit pname;
  inherit (workspace.package) version;

  src = lib.cleanSourceWith {
    name = "nuketown-source";
    src = ../.;
    filter = path: _type: inside path;
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = builtins.concatMap (folder: [ "--package" "nuketown-${folder}" ]) crates;

  # The tests evaluate real flakes with a real Nix and read manifests back with foreign YAML readers, neither of which a build
  # sandbox offers. `make test` is where they run.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];

  # The program writes its own man page and completions, which a cross build cannot run.
  postInstall = lib.optionalString (runs && renders) ''
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
  doInstallCheck = runs;
  installCheckPhase = ''
    runHook preInstallCheck
    for command in ${toString commands}; do
      $out/bin/$command --version | grep -F ${lib.escapeShellArg workspace.package.version}
    done
    runHook postInstallCheck
  '';

  meta = {
    description = if pname == "nuketown-render"
      then "Renders the agents declared in a flake as Kubernetes manifests"
      else "AI agents that are defined in Nix and run anywhere: ${toString commands}";
    homepage = workspace.package.repository;
    license = lib.licenses.mit;
    mainProgram = builtins.head commands;
    platforms = lib.platforms.unix;
  };
}
