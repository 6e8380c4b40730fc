# Tests on text that Nix's regular expressions cannot make: they know bytes, not characters.
{ lib }:

let
  inherit (builtins) genList length map replaceStrings;

  hex = n: let digits = lib.stringToCharacters "0123456789abcdef"; in
    "${builtins.elemAt digits (n / 16)}${builtins.elemAt digits (lib.mod n 16)}";
  character = code: builtins.fromJSON ''"\u${code}"'';

  # U+0001 to U+001F, U+007F to U+009F: what Unicode calls control characters. (Nix text holds no U+0000.)
  controls = map (n: character "00${hex n}") (genList (n: n + 1) 31 ++ genList (n: n + 127) 33);

  # Unicode's White_Space beyond ASCII and the control characters.
  foreignSpaces = map character ([ "00a0" "1680" "2028" "2029" "202f" "205f" "3000" ] ++ genList (n: "20${hex n}") 11);

  lacks = characters: text: replaceStrings characters (genList (_: "") (length characters)) text == text;
in
rec {
  # Whether no control character is in a text.
  isClean = lacks controls;

  # Whether a text has neither control characters nor white space of any script.
  isOneWord = lacks (controls ++ [ " " ] ++ foreignSpaces);

  # A text with every kind of space written as the plain one.
  withPlainSpaces = replaceStrings foreignSpaces (genList (_: " ") (length foreignSpaces));

  # Whether none of these characters, given as one string of ASCII, is in a text.
  hasNone = characters: lacks (lib.stringToCharacters characters);

  isAscii = text: builtins.match "[ -~]*" text != null;

  matches = pattern: text: builtins.match pattern text != null;

  # Splits at the first (the last) occurrence; null if there is none.
  splitFirst = separator: text:
    let parts = lib.splitString separator text;
    in if length parts < 2 then null else {
      left = builtins.head parts;
      right = lib.concatStringsSep separator (builtins.tail parts);
    };
  splitLast = separator: text:
    let parts = lib.splitString separator text;
    in if length parts < 2 then null else {
      left = lib.concatStringsSep separator (lib.init parts);
      right = lib.last parts;
    };
}
