//! What the session says of itself: disco#info (XEP-0030) and its hash in presence (XEP-0115).

use xmpp_parsers::caps::{Caps, compute_disco, hash_caps};
use xmpp_parsers::disco::{DiscoInfoQuery, DiscoInfoResult};
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::ns;

use crate::config::Disco;

/// What the session does by itself, whatever its caller serves.
const OWN_FEATURES: [&str; 3] = [ns::DISCO_INFO, ns::CAPS, ns::PING];

/// The session's description, and the hash of it.
#[derive(Debug)]
pub(crate) struct Description {
    info: DiscoInfoResult,
    caps: Option<Caps>,
}

impl Description {
    pub(crate) fn new(disco: &Disco) -> Self {
        let own = OWN_FEATURES.iter().map(|feature| (*feature).to_owned());
        let info = DiscoInfoResult {
            node: None,
            identities: vec![disco.identity.clone()],
            features: own.chain(disco.features.iter().cloned()).collect(),
            extensions: Vec::new(),
        };
        // SHA-1 is what XEP-0115 says; nothing here depends on its strength.
        let caps = hash_caps(&compute_disco(&info), Algo::Sha_1)
            .ok()
            .map(|hash| Caps::new(disco.node.as_str(), hash));
        Self { info, caps }
    }

    /// The element for presence.
    pub(crate) fn caps(&self) -> Option<Caps> {
        self.caps.clone()
    }

    /// The answer to a query: without a node, or with the node of our own caps; there are no others.
    pub(crate) fn answer(&self, query: DiscoInfoQuery) -> Option<DiscoInfoResult> {
        let known = match (&query.node, &self.caps) {
            (None, _) => true,
            (Some(node), Some(caps)) => {
                let ours = xmpp_parsers::caps::query_caps(caps.clone()).node;
                ours.as_ref() == Some(node) || *node == caps.node
            }
            (Some(_), None) => false,
        };
        known.then(|| DiscoInfoResult { node: query.node, ..self.info.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xmpp_parsers::caps::query_caps;

    fn description() -> Description {
        Description::new(&Disco { features: vec!["urn:example:work".into()], ..Disco::default() })
    }

    #[test]
    fn own_and_served_features_are_told_without_a_node_and_with_the_node_of_the_caps() {
        let description = description();
        let node = query_caps(description.caps().unwrap()).node;
        for node in [None, node] {
            let answer = description.answer(DiscoInfoQuery { node: node.clone() }).unwrap();
            assert_eq!(answer.node, node);
            for feature in OWN_FEATURES.iter().chain(&["urn:example:work"]) {
                assert!(answer.features.contains(*feature), "{feature}");
            }
        }
    }

    #[test]
    fn other_nodes_are_not_known() {
        assert!(description().answer(DiscoInfoQuery { node: Some("x#y".into()) }).is_none());
    }

    #[test]
    fn hash_is_that_of_the_answer() {
        let description = description();
        let answer = description.answer(DiscoInfoQuery { node: None }).unwrap();
        let hash = hash_caps(&compute_disco(&answer), Algo::Sha_1).unwrap();
        assert_eq!(description.caps().unwrap().ver, hash.hash);
    }
}
