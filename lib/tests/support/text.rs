//! Texts that try to be something else: YAML, TOML, shell, another line, another direction.

use proptest::{collection::vec, prelude::*};

/// Texts that some reader of YAML or TOML takes for something else, or that cannot be written as they stand.
pub(crate) const HOSTILE: &[&str] = &[
    "",
    " ",
    "  two  ",
    "\n",
    "\n\n",
    "a\nb",
    "a\nb\n",
    "a\nb\n\n",
    "\na",
    "a\n b\n  c",
    " a\nb",
    "a \nb \n",
    "\ta",
    "a\t",
    "a\tb",
    "\t",
    "a\n\tb",
    "a\r\nb",
    "\r",
    "a\rb",
    "a\u{85}b",
    "a\u{2028}b",
    "a\u{2029}b",
    "\u{feff}",
    "\u{feff}a",
    "a\u{feff}b",
    "\0",
    "a\0b",
    "\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}[2J\u{1f}",
    "\u{7f}",
    "\u{80}\u{9f}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}\u{200d}\u{2060}",
    "\u{202e}abc\u{202c}",
    "\u{2066}x\u{2069}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1fffe}",
    "\u{10ffff}",
    "\u{d7ff}\u{e000}",
    "😀",
    "e\u{301}",
    "שלום",
    "---",
    "--- ",
    "---\n",
    "a\n---\nb",
    "\n---\nkind: Secret\n",
    "...",
    "...\n",
    "a\n...\nb",
    "%YAML 1.1",
    "%TAG ! x",
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "Yes",
    "no",
    "NO",
    "on",
    "off",
    "true",
    "True",
    "false",
    "~",
    "null",
    "Null",
    "NULL",
    "none",
    "12:30",
    "1:2:3",
    "1_000",
    "0x1f",
    "0X1F",
    "0o17",
    "017",
    "08",
    "0b1",
    "-0b1",
    "+1",
    "-1",
    "1",
    "1.",
    ".5",
    "1.5",
    "1e3",
    "1E+3",
    "-1.5e-3",
    "6.02_3",
    "190:20:30.15",
    ".inf",
    "-.Inf",
    "+.INF",
    ".nan",
    ".NaN",
    "nan",
    "inf",
    "2026-11-24",
    "2026-11-24T10:00:00Z",
    "2026-11-24 10:00:00 +1",
    "10:00:00",
    "1,000",
    "685_230.15",
    "0",
    "-0",
    "00",
    "<<",
    "=",
    "!!binary aGk=",
    "!!str x",
    "!x",
    "!",
    "&a",
    "&a b",
    "*a",
    "* a",
    "- a",
    "-",
    "--",
    "-a",
    "? a",
    "?",
    ": a",
    ":",
    "a: b",
    "a:",
    "a :b",
    "a #b",
    "#a",
    "# a",
    " # a",
    "a,b",
    "[x]",
    "[",
    "]",
    "{x}",
    "{",
    "}",
    "{}",
    "[]",
    "{{ }}",
    "{{ .Values.x }}",
    "{a: b}",
    "|",
    ">",
    "|-",
    "|\n a",
    ">\n a",
    "| a",
    "%",
    "@a",
    "`a`",
    "'",
    "''",
    "'''",
    "\"",
    "\"\"",
    "\"\"\"",
    "a'b",
    "a\"b",
    "'a'",
    "\"a\"",
    "a'''b",
    "a\"\"\"b",
    "\"\"\"\"\"\"",
    "a\"\"\"\nb = 1\n\"\"\"",
    "'''\nb = 1\n'''",
    "\\",
    "a\\",
    "\\n",
    "\\\"",
    "\\\n  a",
    "\\u0000",
    "\\x41",
    "$HOME",
    "$(HOME)",
    "${HOME}",
    "$$",
    "%s",
    "[table]",
    "[[table]]",
    "a = 1",
    "a = 1\n[b]",
    "x\n[sudo]\nenable = true",
    "x\"\n[sudo]\nenable = true\n#\"",
    "name = \"eve\"",
    "<script>",
    "</config>",
    "&amp;",
    ";",
    "$(id)",
    "`id`",
    "; rm -rf /",
    "a  b",
    "a    \n    b",
    "trailing ",
    " leading",
    "trailing\n ",
    "0.1.2",
    "1.2.3.4",
    "::1",
    "::",
    "a::b",
    "key:\tvalue",
];

/// A text of 64 KiB in one line, and one of many lines.
pub(crate) fn long() -> [String; 2] {
    ["x: 'y' \"z\" ".repeat(6000), "- line\n".repeat(9400)].map(|text| text[..64 << 10].to_owned())
}

/// Any text at all, and more often one that is hard to write.
pub(crate) fn hostile() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        3 => proptest::sample::select(HOSTILE).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect::<String>()),
        1 => "[a-z]{1,8}( [a-z]{1,8}){0,30}",
    ];
    prop_oneof![3 => piece.clone(), 1 => vec(piece, 0..6).prop_map(|pieces| pieces.concat())].boxed()
}

/// Hostile texts without what `refuse` finds.
pub(crate) fn hostile_without(refuse: fn(char) -> bool) -> BoxedStrategy<String> {
    hostile().prop_map(move |text| text.chars().filter(|c| !refuse(*c)).collect()).boxed()
}

/// Words that are names by their grammar and something else in YAML 1.1.
pub(crate) const WORDS: &[&str] =
    &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "e1", "x-1"];

/// A DNS label of at most `max` characters, sometimes one that YAML 1.1 takes for a boolean or a number.
pub(crate) fn label(max: usize) -> BoxedStrategy<String> {
    let digits = ["1", "0", "017", "08", "1e3", "0x1f", "0b1", "12-30", "2026-11-24"].map(str::to_owned);
    let words: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).chain(digits).collect();
    prop_oneof![
        1 => proptest::sample::select(words),
        3 => "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?",
        1 => "[a-z0-9][a-z0-9-]{0,61}[a-z0-9]",
    ]
    .prop_map(move |mut label| {
        label.truncate(max);
        label.trim_end_matches('-').to_owned()
    })
    .boxed()
}

/// A DNS name of two or three labels whose last is no number.
pub(crate) fn host() -> BoxedStrategy<String> {
    (vec(label(20), 1..3), "[a-z]{2,6}")
        .prop_map(|(labels, zone)| format!("{}.{zone}", labels.join(".")))
        .boxed()
}

/// A DNS name that is the domain of a JID too: IDNA keeps labels with hyphens in third and fourth place to itself.
pub(crate) fn jid_host() -> BoxedStrategy<String> {
    let single = |host: String| host.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    host().prop_map(single).boxed()
}

/// The name of a label or a resource: letters, digits, `-`, `_`, `.`, with letters or digits at both ends.
pub(crate) fn qualified() -> BoxedStrategy<String> {
    let odd = ["yes", "1", "1_000", "0x1f", "1e3", "12.30", "null", "2026-11-24", "n"].map(str::to_owned);
    prop_oneof![
        1 => proptest::sample::select(odd.to_vec()),
        2 => "[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?",
        1 => "[A-Za-z0-9][A-Za-z0-9._-]{0,61}[A-Za-z0-9]",
    ]
    .boxed()
}
