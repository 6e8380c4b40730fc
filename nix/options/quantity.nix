# Kubernetes quantities, with the rules of lib/src/values/quantity.rs.
#
# Amounts are compared as floating point numbers here: two that differ by less than a part in 10^15 are the same. The renderer
# compares exactly, and has the last word.
{ lib }:

let
  inherit (builtins) elemAt fromJSON isFloat isInt isString match stringLength;

  # Powers, because Nix has none.
  power = base: exponent: if exponent == 0 then 1.0 else base * power base (exponent - 1);
  binary = { Ki = 1; Mi = 2; Gi = 3; Ti = 4; Pi = 5; Ei = 6; };
  decimal = { n = -9; u = -6; m = -3; "" = 0; k = 3; M = 6; G = 9; T = 12; P = 15; E = 18; };
  scaled = exponent: if exponent < 0 then 1.0 / power 10.0 (-exponent) else power 10.0 exponent;

  # The API server counts up to 2^63 - 1, which as a floating point number would be 2^63.
  beyond = power 2.0 63;
  isCounted = digits: stringLength digits < 19 || stringLength digits == 19 && digits <= "9223372036854775807";

  withoutZeros = digits:
    let rest = elemAt (match "0*([0-9]*)" digits) 0;
    in if rest == "" then "0" else rest;

  # The amount of a text, or null if it is no quantity.
  ofText = text:
    let
      parts = match "([0-9]*)(\\.([0-9]*))?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?" text;
      part = index: let found = elemAt parts index; in if found == null then "" else found;
      whole = part 0;
      fraction = part 2;
      suffix = part 3;
      digits = stringLength whole + stringLength fraction;
      number = fromJSON "${withoutZeros whole}.${if fraction == "" then "0" else fraction}";
      sign = match "[eE]([+-]?)0*([0-9]*)" suffix;
      exponent = lib.toIntBase10 (withoutZeros (elemAt sign 1)) * (if elemAt sign 0 == "-" then -1 else 1);
      shift = 9 + exponent - stringLength fraction;
      amount =
        if binary ? ${suffix} then number * power 1024.0 binary.${suffix}
        else if decimal ? ${suffix} then number * scaled decimal.${suffix}
        else if sign == null || stringLength (elemAt sign 1) > 2 || exponent > 30 || exponent < -30
          || shift > 38 || shift < -38 then null
        else number * scaled exponent;
    in
    # The bound on the length also keeps the regular expression off what would exhaust its stack.
    if stringLength text > 64 || parts == null || digits == 0 || digits > 30 then null
    else if amount == null || (if suffix + fraction == "" then !isCounted (withoutZeros whole) else amount >= beyond) then null
    else amount;
in
rec {
  # The amount of a value in units, or null if the value is no quantity. A number is the quantity that its digits spell.
  amount = value:
    if isInt value then (if value < 0 then null else value + 0.0)
    # Finer than nano there is nothing.
    else if isFloat value then (if value == 0.0 || value >= 0.000000001 && value < beyond then value else null)
    else if isString value then ofText value else null;

  isQuantity = value: amount value != null;

  # Whether an amount is whole, after the rounding up to nano that every reader of quantities does.
  isWhole = value:
    let units = amount value; fraction = units - builtins.floor units;
    in units >= power 2.0 53 || fraction == 0 || builtins.ceil (fraction * 1000000000) == 1000000000;

  isUsableSize = value: amount value > 0 && isWhole value;
}
