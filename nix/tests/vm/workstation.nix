# A desk with ephemeral homes: what is persisted outlives a boot, nothing else does, and the portal finds the agent.
#
# For who has nixpkgs and KVM: `nix build .#checks.x86_64-linux.vm-workstation`, from a flake that fills `checks` by
# `nuketown.lib.checksFor nixpkgs`. `make test` does not run it.
{ nuketown }:
{
  name = "nuketown-workstation";

  nodes.machine = { pkgs, ... }: {
    imports = [ ../../nixos ];
    virtualisation.emptyDiskImages = [ 512 ];
    virtualisation.useDefaultFilesystems = true;
    boot.supportedFilesystems = [ "btrfs" ];
    users.users.josh.isNormalUser = true;
    # The disk gets its file system before the first start that needs it.
    boot.initrd.postDeviceCommands = pkgs.lib.mkBefore ''
      blkid /dev/vdb || mkfs.btrfs --uuid 8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f /dev/vdb
    '';
    boot.initrd.systemd.enable = false;
    boot.initrd.extraUtilsCommands = "copy_bin_and_libs ${pkgs.btrfs-progs}/bin/mkfs.btrfs";
    nuketown = {
      domain = "6bit.com";
      package = nuketown;
      human = "josh";
      btrfsDevice = "8f3b2c1e-5a0d-4a6b-9d0e-1c2b3a4d5e6f";
      agents.ada = { uid = 1100; portal.enable = true; };
    };
  };

  testScript = ''
    machine.wait_for_unit("multi-user.target")

    with subtest("the home is empty and the agent's"):
        assert machine.succeed("stat -c %U:%G:%a /agents/ada").strip() == "ada:ada:700"
        machine.succeed("touch /agents/ada/left-behind")

    with subtest("the next boot starts anew, and the last home is kept aside"):
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("multi-user.target")
        machine.fail("test -e /agents/ada/left-behind")
        machine.succeed("mkdir /all && mount -o subvol=/ /dev/vdb /all && test -e /all/nuketown/old/ada.*/left-behind")

    with subtest("the human's way in"):
        machine.succeed("su - josh -c 'script -qec \"timeout 5 portal-ada\" /dev/null || true'")
        machine.succeed("su - ada --shell /bin/sh -c 'TMUX_TMPDIR=/run/user/1100 tmux -L portal-ada list-sessions' | grep '^ada:'")
        machine.fail("su - ada --shell /bin/sh -c 'portal-ada x/../y'")
  '';
}
