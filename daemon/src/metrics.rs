//! What is counted, in the text format of Prometheus (version 0.0.4), and the endpoint that tells it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::presence::Doing;
use crate::store::Spent;
use crate::task::State;

/// The counts of one daemon.
#[derive(Debug, Default)]
pub struct Metrics {
    accepted: AtomicU64,
    refused: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    interrupted: AtomicU64,
    online: AtomicBool,
    reconnects: AtomicU64,
    doing: AtomicU8,
}

impl Metrics {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, state: State) {
        let count = match state {
            State::Done => &self.done,
            State::Cancelled => &self.cancelled,
            State::Interrupted => &self.interrupted,
            _ => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn online(&self, online: bool) {
        if online && !self.online.swap(online, Ordering::Relaxed) {
            self.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        self.online.store(online, Ordering::Relaxed);
    }

    pub(crate) fn doing(&self, doing: &Doing) {
        let doing = match doing {
            Doing::Idle => 0,
            Doing::Working(_) => 1,
            Doing::Waiting(_) => 2,
        };
        self.doing.store(doing, Ordering::Relaxed);
    }

    /// All of it, with what the store knows.
    #[must_use]
    pub fn text(&self, waiting: usize, spent: &Spent) -> String {
        let mut text = String::new();
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut one = |name: &str, kind: &str, help: &str, samples: &[(&str, String)]| {
            let _ = writeln!(text, "# HELP nuketown_{name} {help}\n# TYPE nuketown_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "nuketown_{name}{labels} {value}");
            }
        };
        one(
            "tasks_accepted_total",
            "counter",
            "Tasks that were accepted since the start.",
            &[("", get(&self.accepted).to_string())],
        );
        let ended = [
            ("{state=\"done\"}", get(&self.done).to_string()),
            ("{state=\"failed\"}", get(&self.failed).to_string()),
            ("{state=\"cancelled\"}", get(&self.cancelled).to_string()),
            ("{state=\"interrupted\"}", get(&self.interrupted).to_string()),
        ];
        one("tasks_ended_total", "counter", "Tasks that ended since the start.", &ended);
        one("tasks_waiting", "gauge", "Tasks that wait for their turn.", &[("", waiting.to_string())]);
        one(
            "messages_refused_total",
            "counter",
            "Messages of strangers.",
            &[("", get(&self.refused).to_string())],
        );
        let online = u8::from(self.online.load(Ordering::Relaxed));
        one("xmpp_online", "gauge", "Whether the agent is on XMPP.", &[("", online.to_string())]);
        one(
            "xmpp_connects_total",
            "counter",
            "Times that it came online.",
            &[("", get(&self.reconnects).to_string())],
        );
        let doing = self.doing.load(Ordering::Relaxed);
        let is = |state: u8| u8::from(doing == state).to_string();
        let states =
            [("{doing=\"idle\"}", is(0)), ("{doing=\"working\"}", is(1)), ("{doing=\"waiting\"}", is(2))];
        one("agent", "gauge", "What the agent does.", &states);
        // Whole numbers of millionths keep the text exact.
        let dollars = format!("{}.{:06}", spent.micro_dollars / 1_000_000, spent.micro_dollars % 1_000_000);
        one("spent_dollars_total", "counter", "What was ever spent.", &[("", dollars)]);
        let tokens = [
            ("{kind=\"in\"}", spent.tokens_in.to_string()),
            ("{kind=\"out\"}", spent.tokens_out.to_string()),
            ("{kind=\"cache\"}", spent.tokens_cache.to_string()),
        ];
        one("tokens_total", "counter", "Tokens of the model, ever.", &tokens);
        text
    }
}
