//! `nuketown-cmp discover`: whether a directory seems to hold a town.
//!
//! Argo CD takes any output with exit status 0 for a yes, and no output for a no. It asks for every Application that names
//! no plugin, so nothing is evaluated: a `flake.nix` that has the word `nuketown` in it, outside of a comment that takes
//! a whole line, is taken for a town's. If it is none, `generate` says so.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use nuketown::Problem;

use crate::{failure::Failure, output};

/// The most bytes of a flake that are looked at.
const LOOKED_AT: u64 = 1 << 20;

/// What a flake is called.
const FLAKE: &str = "flake.nix";

pub(super) fn run() -> Result<(), Failure> {
    match text(Path::new(FLAKE)) {
        Ok(text) if names_a_town(&text) => output::print(&format!("{FLAKE}\n")),
        Ok(_) => Ok(()),
        Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(why) => Err(Failure::usage(Problem::new("flake.nix cannot be read", why.to_string()))),
    }
}

fn text(path: &Path) -> io::Result<String> {
    // A link may lead anywhere, and a directory may have this name.
    if !path.symlink_metadata()?.is_file() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LOOKED_AT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a line that is no comment has the word: not as a part of a longer one.
fn names_a_town(text: &str) -> bool {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.into_iter().any(|line| {
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        line.match_indices("nuketown").any(|(at, word)| {
            !line[..at].ends_with(is_letter) && !line[at + word.len()..].starts_with(is_letter)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_counts_where_it_is_an_attribute_or_an_input() {
        for text in [
            "{ nuketown = {}; }",
            "outputs = { nuketown, ... }: x",
            "inputs.nuketown.url = \"x\";",
            "x\nnuketown",
        ] {
            assert!(names_a_town(text), "{text}");
        }
        for text in
            ["", "# nuketown", "  # nuketown = {};", "nuketowns = 1;", "my-nuketown = 1;", "nuketown-x"]
        {
            assert!(!names_a_town(text), "{text}");
        }
    }
}
