//! Container images: registries, references, tags, and store paths for nix-snapshotter.

use super::{Malformed, text_type};

/// A path component of an image name, per the OCI distribution specification ("Pulling manifests").
fn is_component(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b))
}

/// `host[:port]` followed by path components, or path components alone.
fn is_repository(text: &str) -> bool {
    let (first, rest) = text.split_once('/').map_or((text, None), |(f, r)| (f, Some(r)));
    let (host, port) = first.split_once(':').map_or((first, None), |(h, p)| (h, Some(p)));
    let port_ok =
        port.is_none_or(|p| rest.is_some() && !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 255 && port_ok && is_component(host) && rest.is_none_or(|r| r.split('/').all(is_component))
}

fn registry(text: &str) -> Result<(), Malformed> {
    if is_repository(text) && text.contains('/')
        || text
            .split_once(':')
            .is_some_and(|(h, p)| is_component(h) && !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        || is_component(text)
    {
        return Ok(());
    }
    Err(Malformed::new(
        "expected a registry and path such as \"ghcr.io/joshperry/nuketown\", without scheme or tag",
    ))
}

text_type! {
    /// Where images are pushed: a registry's host and a path, without a tag.
    Registry, check = registry, pattern = "^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?$", example = "ghcr.io/joshperry/nuketown"
}

/// A tag, per the OCI distribution specification; `latest` is refused because it names no version.
fn image_tag(text: &str) -> Result<(), Malformed> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if text == "latest" {
        return Err(Malformed::new("\"latest\" names no version: a restart could run something else"));
    }
    if first && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return Ok(());
    }
    Err(Malformed::new("expected an image tag: up to 128 letters, digits, '_', '.' and '-'"))
}

text_type! {
    /// An image tag other than `latest`.
    ImageTag, check = image_tag, pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", example = "0p9x7l3c"
}

fn image_reference(text: &str) -> Result<(), Malformed> {
    if let Some((name, digest)) = text.split_once('@') {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let digest_ok =
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let (name, tag) = split_tag(name).map_or((name, None), |(name, tag)| (name, Some(tag)));
        if !digest_ok || !is_repository(name) {
            return Err(Malformed::new("expected NAME@sha256: and 64 lower-case hexadecimal digits"));
        }
        return tag.map_or(Ok(()), image_tag);
    }
    match split_tag(text) {
        Some((name, tag)) if is_repository(name) => image_tag(tag),
        Some(_) => {
            Err(Malformed::new("expected an image name such as \"ghcr.io/joshperry/nuketown/ada:1.2.3\""))
        }
        None => Err(Malformed::new(
            "expected an image with a tag or a digest, such as \"ghcr.io/joshperry/ada:1.2.3\"",
        )),
    }
}

/// Splits a tag off: the last colon behind the last slash.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))
}

text_type! {
    /// A whole image reference with a tag other than `latest`, or with a digest.
    ImageReference, check = image_reference, pattern = "^[a-z0-9][a-z0-9._:/-]*(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?$",
    example = "ghcr.io/joshperry/nuketown/ada:1.2.3"
}

fn store_path(text: &str) -> Result<(), Malformed> {
    let base32 = |b: u8| b"0123456789abcdfghijklmnpqrsvwxyz".contains(&b);
    let name_char = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    let rest = text.strip_prefix("/nix/store/").unwrap_or_default();
    let (hash, name) = rest.split_once('-').unwrap_or_default();
    if hash.len() == 32
        && hash.bytes().all(base32)
        && (1..=211).contains(&name.len())
        && name.bytes().all(name_char)
    {
        return Ok(());
    }
    Err(Malformed::new("expected a path in the Nix store, /nix/store/HASH-NAME"))
}

text_type! {
    /// A path directly below `/nix/store` (Nix manual, "Store path").
    StorePath, check = store_path, pattern = "^/nix/store/[0-9a-z]{32}-[A-Za-z0-9+._?=-]+$",
    example = "/nix/store/00000000000000000000000000000000-nix-image-ada.tar"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_has_a_version_that_cannot_move() {
        let digest = "a".repeat(64);
        for good in [
            "ghcr.io/joshperry/ada:1.2.3",
            "localhost:5000/ada:v1",
            &format!("ghcr.io/x/ada@sha256:{digest}"),
            &format!("ghcr.io/x/ada:1@sha256:{digest}"),
            "ada:1",
        ] {
            assert!(good.parse::<ImageReference>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "ada:latest",
            "ghcr.io/x/ada:",
            "localhost:5000/ada",
            "Ada:1",
            "a b:1",
            "ada@sha256:abc",
            "https://x/ada:1",
            "ada:1\n",
            ":1",
            "/ada:1",
            "ada/:1",
            &format!("ada:a b@sha256:{digest}"),
            &format!("ada:latest@sha256:{digest}"),
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn registry_has_no_scheme_and_no_tag() {
        for good in ["ghcr.io/joshperry/nuketown", "localhost:5000", "registry.internal", "localhost:5000/x"]
        {
            assert!(good.parse::<Registry>().is_ok(), "{good}");
        }
        for bad in
            ["", "https://ghcr.io/x", "ghcr.io/x:1", "ghcr.io/", "/x", "ghcr.io/X", "ghcr.io//x", "a b"]
        {
            assert!(bad.parse::<Registry>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn store_path_stands_directly_in_the_store() {
        assert!(
            "/nix/store/w05rymszja2nnrlh5xr3yxksrwz467cn-nix-image-redis.tar".parse::<StorePath>().is_ok()
        );
        for bad in [
            "/nix/store/x",
            "/nix/store/w05rymszja2nnrlh5xr3yxksrwz467cn-a/b",
            "/tmp/x",
            "w05rymszja2nnrlh5xr3yxksrwz467cn-a",
        ] {
            assert!(bad.parse::<StorePath>().is_err(), "{bad:?}");
        }
    }
}
