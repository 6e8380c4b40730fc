//! Follows the tags of an XML stream, byte by byte, and leaves out what the stream library cannot carry.
//!
//! The library reads elements, and drops and writes them, by recursion: a message of a few thousand nested elements, which any
//! stranger can send, overflows the stack and ends the process. It also ends the connection for an attribute that is longer
//! than its buffer. Both are seen here before it sees them.
//!
//! An element like that is replaced by a mark, and the stanza around it goes on. To end the connection instead would give
//! every stranger a way to end it, again and again: a server that resumes a session (XEP-0198) or keeps messages for it
//! sends the same stanza anew. A stanza that carries the mark is nothing that the session acts on; see [`is_cut`].
//!
//! Pure: bytes come in, bytes go out.
//!
//! # Invariants
//!
//! - What goes out has no element deeper than [`DEPTH`] in its stanza, no tag longer than [`TAG`], and no stanza much longer
//!   than [`WHOLE`].
//! - What is well-formed stays so, and a stanza stays one stanza: both sides count them.
//! - Where the bytes are divided changes nothing, but how much of a stanza that is too large goes out before the end.

use xmpp_parsers::minidom::Element;

/// Levels of elements in a stanza at most, its own included. What is really sent has fewer than ten.
pub(crate) const DEPTH: usize = 64;
/// Bytes of a tag at most, which is the length of the library's own buffer.
pub(crate) const TAG: usize = 8192;
/// Bytes of a stanza after which the connection ends. Servers end that of whoever sends so much (at 256 KiB, most of them),
/// so only they themselves can, or who stands in the way before TLS; without a limit it would fill the memory.
const WHOLE: usize = 8 << 20;

const NAMESPACE: &str = "urn:nuketown:xmpp:cut";
const MARK: &[u8] = b"<cut xmlns='urn:nuketown:xmpp:cut'/>";
/// Stands for a stanza whose very first tag is too long: it says nothing, and nobody said it.
const NOTHING: &[u8] = b"<message xmlns='jabber:client'><cut xmlns='urn:nuketown:xmpp:cut'/>";
const CDATA: &[u8] = b"<![CDATA[";

/// Whether something was left out of one of these elements. Anybody can send the mark, and is treated in the same way then.
pub(crate) fn is_cut<'a>(elements: impl IntoIterator<Item = &'a Element>) -> bool {
    elements.into_iter().any(|element| element.ns() == NAMESPACE || is_cut(element.children()))
}

/// What ends the connection. No server sends it, and none passes it on from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Nothing that XMPP has.
    #[error(
        "the server sent a comment, a processing instruction or a document type, which XMPP forbids (RFC 6120 section 11.1)"
    )]
    Restricted,
    /// A tag of the stream itself that is too long.
    #[error("the server sent a tag of more than 8192 bytes that is no stanza")]
    LongTag,
    /// More than the memory should hold.
    #[error("the server sent a stanza of more than 8 MiB")]
    LargeStanza,
    /// The library panics at this.
    #[error("the server answered the wish to resume a session by a new one (XEP-0198 section 5)")]
    NotResumed,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Text,
    /// In a tag, and in a value in these quotes.
    Tag(Option<u8>),
    /// In a section without markup, after so many bytes of its end.
    Cdata(usize),
}

/// What is known of a stream up to the next byte.
#[derive(Clone, Debug)]
pub(crate) struct Tags {
    place: Place,
    /// The tag so far, up to its limit, and the last byte of it beyond that.
    tag: Vec<u8>,
    is_long: bool,
    last: u8,
    /// Open elements, the stream's included.
    depth: usize,
    /// Bytes of the stanza so far.
    size: usize,
    /// At which depth the outermost element stands that is being left out.
    cut: Option<usize>,
    /// Whether nothing has come yet: only there may the XML declaration stand.
    is_fresh: bool,
    is_resuming: bool,
}

impl Tags {
    /// At the start of a stream.
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Text,
            tag: Vec::new(),
            is_long: false,
            last: 0,
            depth: 0,
            size: 0,
            cut: None,
            is_fresh: true,
            is_resuming: false,
        }
    }

    /// Whether every byte so far has been passed on or left out, and none is held back.
    pub(crate) fn is_between(&self) -> bool {
        self.place == Place::Text
    }

    /// The wish to resume a session was sent, and is not answered yet.
    pub(crate) fn resuming(&mut self) {
        self.is_resuming = true;
    }

    /// Takes the next bytes of the stream, and appends what is passed on of them.
    ///
    /// # Errors
    ///
    /// See [`Refused`]. What came before it has been appended.
    pub(crate) fn sift(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        while let Some(&first) = bytes.first() {
            if self.size > WHOLE {
                return Err(Refused::LargeStanza);
            }
            if self.place == Place::Text && first != b'<' {
                let end = bytes.iter().position(|&byte| byte == b'<').unwrap_or(bytes.len());
                self.pass(&bytes[..end], out);
                self.is_fresh = false;
                // What stands between stanzas keeps a connection alive, and is forgotten.
                self.size = if self.depth < 2 { 0 } else { self.size + end };
                bytes = &bytes[end..];
                continue;
            }
            bytes = &bytes[1..];
            self.size += 1;
            match self.place {
                Place::Text => self.begin_tag(),
                Place::Tag(quote) => self.in_tag(first, quote, out)?,
                Place::Cdata(matched) => self.in_cdata(first, matched, out),
            }
        }
        Ok(())
    }

    fn begin_tag(&mut self) {
        if self.depth < 2 {
            self.size = 1;
        }
        self.place = Place::Tag(None);
        self.tag.clear();
        self.tag.push(b'<');
        self.is_long = false;
        self.last = b'<';
    }

    fn in_tag(&mut self, byte: u8, quote: Option<u8>, out: &mut Vec<u8>) -> Result<(), Refused> {
        let before = std::mem::replace(&mut self.last, byte);
        if self.tag.len() < TAG {
            self.tag.push(byte);
        } else {
            self.is_long = true;
        }
        match self.tag.get(1) {
            Some(b'!') => return self.in_section(out),
            Some(b'?') if !self.is_fresh || self.is_long => return Err(Refused::Restricted),
            _ => {}
        }
        match (byte, quote) {
            (b'"' | b'\'', None) if self.tag.get(1) != Some(&b'/') => self.place = Place::Tag(Some(byte)),
            (_, Some(end)) if byte == end => self.place = Place::Tag(None),
            (b'>', None) => {
                self.place = Place::Text;
                self.is_fresh = false;
                return self.tag_ended(before == b'/', out);
            }
            _ => {}
        }
        Ok(())
    }

    /// After `<!`: only text without markup may begin so.
    fn in_section(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        if !CDATA.starts_with(&self.tag) {
            return Err(Refused::Restricted);
        }
        if self.tag.len() == CDATA.len() {
            self.pass(CDATA, out);
            self.place = Place::Cdata(0);
        }
        Ok(())
    }

    fn in_cdata(&mut self, byte: u8, matched: usize, out: &mut Vec<u8>) {
        self.pass(&[byte], out);
        self.place = match (byte, matched) {
            (b'>', 2) => Place::Text,
            (b']', _) => Place::Cdata((matched + 1).min(2)),
            _ => Place::Cdata(0),
        };
    }

    fn tag_ended(&mut self, is_empty: bool, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self.tag.get(1) {
            Some(b'?') if is_declaration(&self.tag) => out.extend_from_slice(&self.tag),
            Some(b'?') => return Err(Refused::Restricted),
            Some(b'/') => self.end_tag(out)?,
            _ => self.start_tag(is_empty, out)?,
        }
        Ok(())
    }

    fn start_tag(&mut self, is_empty: bool, out: &mut Vec<u8>) -> Result<(), Refused> {
        let depth = self.depth + 1;
        if self.cut.is_none() {
            if depth == 2 {
                self.check_resumption()?;
            }
            // The stream is no level of the stanza.
            if self.is_long || depth > DEPTH + 1 {
                self.leave_out(depth, is_empty, out)?;
            } else {
                out.extend_from_slice(&self.tag);
            }
        }
        if !is_empty {
            self.depth = depth;
        }
        Ok(())
    }

    fn leave_out(&mut self, depth: usize, is_empty: bool, out: &mut Vec<u8>) -> Result<(), Refused> {
        match depth {
            0 | 1 => return Err(Refused::LongTag),
            2 if !matches!(self.name(), b"message" | b"presence" | b"iq") => return Err(Refused::LongTag),
            2 => {
                out.extend_from_slice(NOTHING);
                if is_empty {
                    out.extend_from_slice(b"</message>");
                }
            }
            _ => out.extend_from_slice(MARK),
        }
        if !is_empty {
            self.cut = Some(depth);
        }
        Ok(())
    }

    fn end_tag(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.cut.is_none() {
            if self.is_long {
                return Err(Refused::LongTag);
            }
            out.extend_from_slice(&self.tag);
        } else if self.cut == Some(self.depth) {
            if self.depth == 2 {
                out.extend_from_slice(b"</message>");
            }
            self.cut = None;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn check_resumption(&mut self) -> Result<(), Refused> {
        if self.is_resuming {
            match self.name() {
                b"enabled" => return Err(Refused::NotResumed),
                b"resumed" | b"failed" => self.is_resuming = false,
                _ => {}
            }
        }
        Ok(())
    }

    /// The name of the element that the tag begins, without its prefix.
    fn name(&self) -> &[u8] {
        let name = &self.tag[1..];
        let end = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        let name = &name[..end.unwrap_or(name.len())];
        let prefix = name.iter().position(|&byte| byte == b':').map_or(0, |colon| colon + 1);
        &name[prefix..]
    }

    fn pass(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.cut.is_none() {
            out.extend_from_slice(bytes);
        }
    }
}

/// Whether a tag is the XML declaration (RFC 6120 section 11.5).
fn is_declaration(tag: &[u8]) -> bool {
    let rest = tag.strip_prefix(b"<?xml");
    rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_whitespace) && rest.ends_with(b"?>"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

    fn sifted(text: &str) -> Result<String, Refused> {
        let mut out = Vec::new();
        Tags::new().sift(text.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn in_stream(stanza: &str) -> Result<String, Refused> {
        let out = sifted(&format!("{OPEN}{stanza}"))?;
        Ok(out.strip_prefix(OPEN).expect("the header is passed on").to_owned())
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "<x>".repeat(levels), "</x>".repeat(levels))
    }

    fn mark() -> &'static str {
        std::str::from_utf8(MARK).unwrap()
    }

    #[test]
    fn stanza_at_the_limit_passes_and_one_level_more_is_cut() {
        let deepest = format!("<message>{}</message><presence/>", nested(DEPTH - 1));
        assert_eq!(in_stream(&deepest).unwrap(), deepest);
        for levels in [DEPTH, DEPTH + 1, 4000, 100_000] {
            let (opened, closed) = ("<x>".repeat(DEPTH - 1), "</x>".repeat(DEPTH - 1));
            assert_eq!(
                in_stream(&format!("<message>{}after</message><presence/>", nested(levels))).unwrap(),
                format!("<message>{opened}{}{closed}after</message><presence/>", mark()),
            );
        }
    }

    #[test]
    fn element_with_a_long_tag_is_cut_and_its_stanza_stays() {
        let value = "z".repeat(TAG);
        for long in [format!("<x y='{value}'/>"), format!("<x y='{value}'>t<z/><![CDATA[c]]></x>")] {
            let kept = in_stream(&format!("<message to='a'><a/>{long}<b/></message>")).unwrap();
            assert_eq!(kept, format!("<message to='a'><a/>{}<b/></message>", mark()));
        }
    }

    #[test]
    fn stanza_whose_own_tag_is_too_long_stays_one_stanza_of_nobody() {
        let id = "z".repeat(TAG);
        let nothing = format!("<message xmlns='jabber:client'>{}</message>", mark());
        for name in ["message", "presence", "iq"] {
            for long in [format!("<{name} id='{id}'/>"), format!("<{name} id='{id}'><x>t</x>y</{name}>")] {
                assert_eq!(
                    in_stream(&format!("{long}<presence/>")).unwrap(),
                    format!("{nothing}<presence/>")
                );
            }
        }
        assert_eq!(in_stream(&format!("<r id='{id}'/>")), Err(Refused::LongTag));
        assert_eq!(sifted(&format!("<stream:stream id='{id}'>")), Err(Refused::LongTag));
    }

    #[test]
    fn markup_that_xmpp_forbids_ends_the_connection_wherever_it_stands() {
        let deep = "<x>".repeat(2 * DEPTH);
        for forbidden in ["<!-- x -->", "<!DOCTYPE x>", "<?php x?>", "<?xml version='1.0'?>", "<![INCLUDE["] {
            assert_eq!(in_stream(forbidden), Err(Refused::Restricted), "{forbidden}");
            assert_eq!(in_stream(&format!("<message>{deep}{forbidden}")), Err(Refused::Restricted));
        }
        for first in ["<?php x?>", "<?xmlx ?>", "<?xml version='1.0'>", " <?xml version='1.0'?>"] {
            assert_eq!(sifted(first), Err(Refused::Restricted), "{first}");
        }
        assert_eq!(sifted(&format!("<?xml {}", " ".repeat(TAG))), Err(Refused::Restricted));
    }

    #[test]
    fn endless_stanza_ends_the_connection_and_many_small_ones_do_not() {
        for part in ["x", "<x/>", "<x y='z'>", "<![CDATA[x]]>", "<x y='z"] {
            let endless = part.repeat(WHOLE / part.len() + 8192);
            let (out, result) = sifted_in_parts(format!("{OPEN}<message>{endless}").as_bytes(), &[4096]);
            assert_eq!(result, Err(Refused::LargeStanza), "{part}");
            assert!(out.len() < WHOLE + 8192, "{part}");
        }
        let many = "<message><x/>text</message> \n".repeat(WHOLE / 20);
        assert_eq!(sifted_in_parts(format!("{OPEN}{many}").as_bytes(), &[4096]).1, Ok(()));
    }

    #[test]
    fn session_that_should_have_been_resumed_cannot_be_a_new_one() {
        let answer = |is_resuming: bool, text: &str| {
            let mut tags = Tags::new();
            tags.sift(OPEN.as_bytes(), &mut Vec::new()).unwrap();
            if is_resuming {
                tags.resuming();
            }
            tags.sift(text.as_bytes(), &mut Vec::new())
        };
        let enabled = "<enabled xmlns='urn:xmpp:sm:3' id='x'/>";
        assert_eq!(answer(true, enabled), Err(Refused::NotResumed));
        assert_eq!(answer(true, "<sm:enabled xmlns:sm='urn:xmpp:sm:3'/>"), Err(Refused::NotResumed));
        assert_eq!(answer(true, &format!("<message/>{enabled}")), Err(Refused::NotResumed));
        assert_eq!(answer(true, &format!("<failed xmlns='urn:xmpp:sm:3'/>{enabled}")), Ok(()));
        assert_eq!(answer(true, &format!("<message>{enabled}</message><resumed/>")), Ok(()));
        assert_eq!(answer(false, enabled), Ok(()));
    }

    #[test]
    fn cut_is_seen_however_deep_it_stands() {
        let element = |xml: String| xml.parse::<Element>().unwrap();
        let cut = element(format!("<a xmlns='urn:x'><b><c/>{}</b></a>", mark()));
        let whole = element("<a xmlns='urn:x'><cut/></a>".to_owned());
        assert!(is_cut([&whole, &cut]) && !is_cut([&whole]));
    }

    /// Content of an element: text with everything that looks like markup, sections, and elements.
    fn any_content() -> impl Strategy<Value = String> {
        let text = prop_oneof![
            Just("a > b ]] / ' \" &lt;x&gt; é 🦀".to_owned()),
            Just("<![CDATA[ <x> ]] ]>]]>".to_owned()),
            Just("<![CDATA[]]]]>".to_owned()),
            "[ a-z]{0,4}",
        ];
        let attributes =
            prop_oneof![Just(""), Just(" a='>'"), Just(" a=\"'/>\" b='\"&lt;x/&gt;/'"), Just("\n a = '/' ")];
        text.prop_recursive(6, 60, 3, move |inner| {
            (attributes.clone(), prop::collection::vec(inner, 0..4), "[a-c]", 1usize..40, any::<bool>())
                .prop_map(|(attributes, content, name, levels, is_empty)| {
                    let content = content.concat();
                    let inner = if content.is_empty() && is_empty {
                        format!("<{name}{attributes}/>")
                    } else {
                        format!("<{name}{attributes}>{content}</{name} >")
                    };
                    format!("{}{inner}{}", "<d>".repeat(levels), "</d>".repeat(levels))
                })
        })
    }

    /// By a real parser's tree: everything below the limit replaced.
    fn pruned(element: &Element, depth: usize) -> Element {
        if depth > DEPTH + 1 {
            return Element::bare("cut", NAMESPACE);
        }
        let mut copy = Element::bare(element.name(), element.ns());
        for ((space, name), value) in element.attrs() {
            copy.set_attr(space.clone(), name.clone(), value.to_owned());
        }
        for node in element.nodes() {
            match node.as_element() {
                Some(child) => drop(copy.append_child(pruned(child, depth + 1))),
                None => copy.append_text_node(node.as_text().unwrap()),
            }
        }
        copy
    }

    fn deepest(element: &Element) -> usize {
        1 + element.children().map(deepest).max().unwrap_or(0)
    }

    /// Of which anything that has to do with a tag is made.
    const PARTS: &[&str] = &[
        "<a>",
        "</a>",
        "<a b='",
        "'",
        "\"",
        "/>",
        "<![CDATA[",
        "]]>",
        "]",
        "<!",
        "<?xml ",
        "?>",
        "<",
        ">",
        "é",
        "\0",
    ];

    /// The bytes in parts of these sizes.
    fn sifted_in_parts(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<(), Refused>) {
        let (mut tags, mut out, mut rest) = (Tags::new(), Vec::new(), bytes);
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (part, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            if let Err(refused) = tags.sift(part, &mut out) {
                return (out, Err(refused));
            }
            rest = later;
        }
        (out, Ok(()))
    }

    proptest! {
        #[test]
        fn depth_is_that_of_a_real_parser_and_only_what_is_too_deep_is_replaced(
            content in prop::collection::vec(any_content(), 1..4),
            sizes in prop::collection::vec(1usize..50, 1..5),
        ) {
            let document = format!("<?xml version='1.0'?><s xmlns='urn:x'>{}</s>", content.concat());
            let (out, result) = sifted_in_parts(document.as_bytes(), &sizes);
            prop_assert_eq!(result, Ok(()));
            let parse = |text: &str| text.parse::<Element>().unwrap();
            let kept = parse(std::str::from_utf8(&out).unwrap());
            prop_assert_eq!(&kept, &pruned(&parse(&document), 1));
            prop_assert!(deepest(&kept) <= DEPTH + 2);
        }

        #[test]
        fn no_bytes_break_it_and_where_they_are_divided_changes_nothing(
            parts in prop::collection::vec(prop::sample::select(PARTS), 0..200),
            noise in prop::collection::vec(any::<u8>(), 0..20),
            sizes in prop::collection::vec(1usize..20, 1..5),
        ) {
            let mut bytes = parts.concat().into_bytes();
            bytes.extend(noise);
            let whole = sifted_in_parts(&bytes, &[bytes.len().max(1)]);
            prop_assert_eq!(&sifted_in_parts(&bytes, &sizes), &whole);
            // If anybody takes what goes out for XML, it is not deep.
            if let Ok(element) = String::from_utf8_lossy(&whole.0).parse::<Element>() {
                prop_assert!(deepest(&element) <= DEPTH + 2);
            }
        }
    }
}
