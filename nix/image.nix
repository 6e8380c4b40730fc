# { pkgs; name; packages ? [ ]; uid ? 1100; agentsDir ? "/agents"; registry ? …; nuketown ? …; } -> { tag; storePath; }
#
# The image of one agent, for `agents.<name>.cloud.imageDerivation`: its own packages, nuketown's programs, and what they need.
# The tag is the hash of the content, so a manifest changes when the image does and not before. Evaluating it builds nothing; the
# image itself is `agentImageArchive` of the same arguments, a tar archive for `skopeo copy docker-archive:…`.
let
  archive =
    { pkgs
    , name
    , packages ? [ ]
    , uid ? 1100
    , agentsDir ? "/agents"
    , registry ? "ghcr.io/joshperry/nuketown"
    , nuketown ? (import ./packages.nix { inherit pkgs; }).nuketown
    }:
    let
      home = "${agentsDir}/${name}";
      # ssh and git ask who they are.
      users = pkgs.writeTextDir "etc/passwd" ''
        root:x:0:0:root:/root:/bin/false
        ${name}:x:${toString uid}:${toString uid}:Nuketown agent:${home}:/bin/bash
        nobody:x:65534:65534:nobody:/var/empty:/bin/false
      '';
      groups = pkgs.writeTextDir "etc/group" ''
        root:x:0:
        ${name}:x:${toString uid}:
        nogroup:x:65534:
      '';
    in
    pkgs.dockerTools.buildLayeredImage {
      name = "${registry}/nuketown-${name}";
      # The hash of the content, by dockerTools' own rule.
      tag = null;
      contents = [
        nuketown
        users
        groups
        pkgs.bashInteractive
        pkgs.cacert
        pkgs.coreutils
        pkgs.findutils
        pkgs.git
        pkgs.gnugrep
        pkgs.gnupg
        pkgs.gnused
        pkgs.gnutar
        pkgs.gzip
        pkgs.nix
        pkgs.openssh
      ] ++ packages;
      config = {
        Entrypoint = [ "/bin/nuketown-daemon" ];
        User = "${toString uid}:${toString uid}";
        WorkingDir = home;
        Env = [
          "HOME=${home}"
          "PATH=/bin"
          "SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"
          "NIX_SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt"
          "USER=${name}"
        ];
        Labels."org.opencontainers.image.source" = (builtins.fromTOML (builtins.readFile ../Cargo.toml)).workspace.package.repository;
      };
    };
in
{
  agentImageArchive = archive;

  agentImage = arguments:
    let image = archive arguments; in
    {
      tag = image.imageTag;
      # A town is text, and rendering it must build nothing.
      storePath = builtins.unsafeDiscardStringContext image.outPath;
    };
}
