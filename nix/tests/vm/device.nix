# A machine of its own: what is approved beforehand runs as root, what is not is refused when nobody answers, and each leaves a record.
#
# For who has nixpkgs and KVM: `nix build .#checks.x86_64-linux.vm-device`, from a flake that fills `checks` by
# `nuketown.lib.checksFor nixpkgs`. `make test` does not run it.
{ nuketown }:
{
  name = "nuketown-device";

  nodes.machine = {
    imports = [ ../../nixos ];
    nuketown = {
      domain = "6bit.com";
      package = nuketown;
      approvalTimeout = 5;
      agents.liver = {
        uid = 1101;
        role = "server";
        sudo = { enable = true; preApproved = [ "systemctl restart cron" "id *" ]; };
      };
      agents.gateway.uid = 1102;
    };
  };

  testScript = ''
    machine.wait_for_unit("nuketown-broker.service")

    # As the agent, from a shell of its own.
    def agent(name, command):
        return f"su - {name} --shell /bin/sh -c '. /etc/set-environment; {command}'"

    with subtest("approved beforehand"):
        assert machine.succeed(agent("liver", "sudo id -u")).strip() == "0"

    with subtest("nobody answers"):
        machine.fail(agent("liver", "sudo cat /etc/shadow"))

    with subtest("an agent without sudo"):
        machine.fail(agent("gateway", "sudo id -u"))

    with subtest("the real sudo gives nothing else"):
        machine.fail(agent("liver", "/run/wrappers/bin/sudo -n id"))

    with subtest("records"):
        machine.succeed("nuketown-broker audit verify --config /etc/nuketown/broker.toml")

    with subtest("a home is its owner's"):
        machine.fail(agent("gateway", "ls /agents/liver"))
        machine.succeed(agent("liver", "grep liver ~/.config/nuketown/identity.toml"))
  '';
}
