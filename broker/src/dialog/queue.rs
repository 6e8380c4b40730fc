//! Which request is shown next.

use std::collections::VecDeque;

use nuketown::values::AgentName;
use nuketown_approval::Key;

use super::Shown;

/// Requests that wait for the window, the oldest first. The agents take turns.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Shown>,
    /// Agents in the order in which they were shown last, the latest at the end. As long as there are agents.
    turns: Vec<AgentName>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds a request. One with the same key takes the place of the old one.
    pub(super) fn push(&mut self, shown: Shown) {
        self.remove(&shown.key());
        self.waiting.push_back(shown);
    }

    /// Adds the request that was shown last, to be shown again at once.
    pub(super) fn push_first(&mut self, shown: Shown) {
        self.turns.retain(|agent| *agent != shown.request.agent);
        self.waiting.push_front(shown);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.waiting.retain(|shown| shown.key() != *key);
    }

    /// Takes the oldest request of the agent whose turn is longest ago.
    pub(super) fn next(&mut self) -> Option<Shown> {
        let turn =
            |agent: &AgentName| self.turns.iter().position(|shown| shown == agent).map_or(0, |at| at + 1);
        let (at, _) =
            self.waiting.iter().enumerate().min_by_key(|(at, shown)| (turn(&shown.request.agent), *at))?;
        let shown = self.waiting.remove(at)?;
        self.turns.retain(|agent| *agent != shown.request.agent);
        self.turns.push(shown.request.agent.clone());
        Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use nuketown_approval::{Payload, Request, Scale};
    use proptest::prelude::*;

    fn shown(id: &str, agent: &str) -> Shown {
        let scale = Scale { from: "standard".parse().unwrap(), to: "large".parse().unwrap() };
        let request = Request {
            id: id.parse().unwrap(),
            agent: agent.parse().unwrap(),
            payload: Payload::Scale(scale),
            cwd: None,
            host: None,
            nonce: None,
            expires: None,
            timeout: None,
        };
        Shown { request, role: String::new(), expires: Timestamp::UNIX_EPOCH }
    }

    fn key(id: &str, agent: &str) -> Key {
        shown(id, agent).key()
    }

    fn order(queue: &mut Queue) -> String {
        std::iter::from_fn(|| queue.next())
            .map(|shown| shown.request.id.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn one_agents_requests_come_in_their_order_and_the_agents_take_turns() {
        let mut queue = Queue::default();
        for (id, agent) in
            [("a1", "ada"), ("a2", "ada"), ("a3", "ada"), ("v1", "vox"), ("v2", "vox"), ("b1", "bob")]
        {
            queue.push(shown(id, agent));
        }
        assert_eq!(order(&mut queue), "a1 v1 b1 a2 v2 a3");
        queue.push(shown("a4", "ada"));
        queue.push(shown("n1", "new"));
        queue.push(shown("v3", "vox"));
        assert_eq!(order(&mut queue), "n1 v3 a4");
    }

    #[test]
    fn withdrawn_request_is_not_shown() {
        let mut queue = Queue::default();
        queue.push(shown("a1", "ada"));
        queue.push(shown("a2", "ada"));
        queue.remove(&key("a1", "ada"));
        // Another agent has an id of its own.
        queue.remove(&key("a2", "vox"));
        assert_eq!(order(&mut queue), "a2");
    }

    #[test]
    fn request_that_was_answered_too_soon_is_the_next_one_again() {
        let mut queue = Queue::default();
        queue.push(shown("a1", "ada"));
        queue.push(shown("v1", "vox"));
        queue.push(shown("b1", "bob"));
        let first = queue.next().unwrap();
        queue.push_first(first);
        assert_eq!(order(&mut queue), "a1 v1 b1");
    }

    proptest! {
        /// A flood by one agent delays another's request by no more than one request per agent.
        #[test]
        fn no_agent_waits_for_more_than_one_request_of_each_other(
            pushed in prop::collection::vec(0..4usize, 1..60), taken in 0..20usize,
        ) {
            let names = ["ada", "vox", "bob", "eve"];
            let mut queue = Queue::default();
            for (id, &agent) in pushed.iter().enumerate() {
                queue.push(shown(&id.to_string(), names[agent]));
            }
            for _ in 0..taken {
                queue.next();
            }
            queue.push(shown("late", "late"));
            let late: AgentName = "late".parse().unwrap();
            let before: Vec<AgentName> =
                std::iter::from_fn(|| queue.next()).take_while(|shown| shown.request.agent != late).map(|shown| shown.request.agent).collect();
            prop_assert!(before.len() <= names.len());
            for (at, agent) in before.iter().enumerate() {
                prop_assert!(!before[..at].contains(agent), "{before:?}");
            }
        }
    }
}
