//! How large a stanza is as XML.

use xso::AsXml;

/// Bytes of a stanza at most, in both directions. Servers drop the whole connection for a stanza that is too large for them
/// (256 KiB with Prosody's defaults), so one that comes anywhere near is not sent.
pub const STANZA_LIMIT: usize = 64 * 1024;

/// The bytes of `stanza` as XML. (Not by minidom, which panics where this is an error.)
///
/// # Errors
///
/// It holds something that XML cannot carry, such as a control character.
pub(crate) fn of(stanza: &impl AsXml) -> Result<usize, String> {
    xso::to_vec(stanza).map(|xml| xml.len()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use xmpp_parsers::message::{Lang, Message};
    use xmpp_parsers::minidom::Element;

    #[test]
    fn size_is_that_of_the_xml() {
        let message = Message::chat(None).with_body(Lang::new(), "x".repeat(1000));
        let xml = String::from(&Element::from(message.clone()));
        assert!(of(&message).unwrap().abs_diff(xml.len()) < 10);
    }

    #[test]
    fn control_characters_cannot_be_carried_wherever_they_stand() {
        let payload = Element::builder("a", "urn:x").attr("b".try_into().unwrap(), "\u{1}").build();
        let mut attribute = Message::chat(None);
        attribute.payloads.push(payload);
        for message in [Message::chat(None).with_body(Lang::new(), "a\u{1}b".into()), attribute] {
            assert!(of(&message).is_err());
        }
    }
}
