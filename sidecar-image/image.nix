# The image of the Argo CD sidecar, made by nixpkgs' dockerTools: the same as that of the Containerfile, with nixpkgs' Nix.
#
#     $(nix-build --expr '(builtins.getFlake "github:joshperry/nuketown").lib.sidecarImageFor (import <nixpkgs> { })') | skopeo copy …
#
# The result is a script that writes the image to standard output. `extraPackages` may add pkgs.nix-eval-jobs.
{ pkgs
, nuketown ? pkgs.callPackage ../nix/package.nix { }
, extraPackages ? [ ]
}:
pkgs.dockerTools.streamLayeredImage {
  name = "nuketown-cmp";
  tag = nuketown.version;

  # Only /bin, so that no directory in which something is written below is a link into the store.
  contents = pkgs.buildEnv {
    name = "nuketown-cmp-programs";
    paths = [ nuketown pkgs.nix pkgs.gitMinimal ] ++ extraPackages;
    pathsToLink = [ "/bin" ];
  };

  extraCommands = ''
    mkdir -p etc home/argocd/cmp-server/config var/cache/nuketown
    mkdir -m 1777 tmp
    chmod 1777 var/cache/nuketown
    echo 'argocd:x:999:' >etc/group
    echo 'argocd:x:999:999:Argo CD:/home/argocd:/sbin/nologin' >etc/passwd
    cp --no-preserve=mode ${./plugin.yaml} home/argocd/cmp-server/config/plugin.yaml
  '';

  config = {
    Entrypoint = [ "/var/run/argocd/argocd-cmp-server" ];
    Env = [
      "HOME=/home/argocd"
      "NUKETOWN_CACHE_DIR=/var/cache/nuketown/cmp"
      "PATH=/bin"
      "SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"
      "USER=argocd"
    ];
    User = "999:999";
    WorkingDir = "/home/argocd";
  };
}
