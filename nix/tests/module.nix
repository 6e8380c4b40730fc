# Evaluates one file of modules/, and lists its sentences that are not true.
#
# A test is a function from what harness.nix offers to { "<sentence>" = <boolean>; … }.
{ test ? null, ... }@arguments:

let
  harness = import ./harness.nix (removeAttrs arguments [ "test" ]);
  sentences = import (./modules + "/${test}.nix") harness;
  holds = sentence:
    let tried = builtins.tryEval sentences.${sentence};
    in tried.success && tried.value == true;
in
{
  failures = builtins.filter (sentence: !holds sentence) (builtins.attrNames sentences);
  inherit sentences;
}
