{
  outputs = _: {
    nuketown = {
      domain = "6bit.com";
      cloud = { enable = true; registry = "ghcr.io/joshperry/nuketown"; };
      agents.ada = { role = "software"; persist = [ "projects" ".config/claude" ]; };
    };
  };
}
