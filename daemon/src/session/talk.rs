//! The conversation with a model: ask, journal, run the tools that it calls, and again, until it has no more calls.

use std::fmt;
use std::time::Duration;

use nuketown::Problem;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Context, Progress,
    budget::Purse,
    transcript::{Role, Transcript, Turn, calls, result, words},
};
use crate::api::{Answer, Client, MicroDollars, Price, Stop, Usage, visible};
use crate::sandbox::Sandbox;
use crate::task::TaskId;
use crate::tools::{self, Tool};

/// How many calls of one answer are run.
const CALLS_MAX: usize = 32;
/// How long something must be waited for until the requester hears of it.
const PAUSE_TOLD: Duration = Duration::from_secs(20);

const LOST: &str = "The daemon was restarted while this ran. Whether it took effect is not known: look before you do it again.";
const CUT: &str = "Your answer was cut off, because it was too long. Go on in smaller steps.";

/// Why a session did not come to its own end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nobody wants it any more.
    Cancelled,
    /// It cannot go on.
    Problem(Problem),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Which conversation of a task it is: each has turns of its own in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The work itself.
    Work,
    /// The preparation of the workspace, after so many answers of a human.
    Bootstrap(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work => f.write_str("work"),
            Self::Bootstrap(answers) => write!(f, "bootstrap-{answers}"),
        }
    }
}

/// A conversation about a task.
pub(crate) struct Talk<'a> {
    pub(crate) context: &'a Context,
    pub(crate) client: &'a Client,
    pub(crate) task: TaskId,
    pub(crate) part: Part,
    pub(crate) model: &'a str,
    pub(crate) system: String,
    pub(crate) tools: &'static [Tool],
    pub(crate) sandbox: &'a Sandbox,
    /// How many answers the model may give.
    pub(crate) turns: usize,
    /// What the task may have cost when the conversation ends.
    pub(crate) budget: MicroDollars,
    pub(crate) events: &'a mpsc::Sender<Progress>,
    pub(crate) cancel: &'a CancellationToken,
}

/// What follows an answer.
enum Next {
    /// The model has said all.
    Over(String),
    /// This is sent, and it goes on.
    Say(Vec<Value>),
    /// It goes on by itself.
    Ask,
}

impl Talk<'_> {
    /// Begins with `first`, or goes on where the journal ends, until the model has no more calls: what it said last.
    pub(crate) async fn run(&self, first: &str) -> Result<String, Stopped> {
        let mut transcript =
            Transcript::read(&self.context.journal.turns(self.task)?, &self.part.to_string())?;
        match transcript.last() {
            None => self.say(&mut transcript, Role::User, words(first))?,
            Some((Role::Assistant, content)) => {
                let lost: Vec<Value> = calls(content).iter().map(|call| result(call, LOST, true)).collect();
                if lost.is_empty() {
                    // The daemon ended between the last answer and the end of the task.
                    return Ok(text(content));
                }
                self.say(&mut transcript, Role::User, lost)?;
            }
            Some(_) => {}
        }
        loop {
            let answer = self.ask(&mut transcript).await?;
            match self.take(&mut transcript, &answer).await? {
                Next::Over(text) => return Ok(text),
                Next::Say(content) => self.say(&mut transcript, Role::User, content)?,
                Next::Ask => {}
            }
        }
    }

    /// Journals a message, then adds it.
    fn say(&self, transcript: &mut Transcript, role: Role, content: Vec<Value>) -> Result<(), Problem> {
        let turn = Turn { part: self.part.to_string(), role, content };
        let line = serde_json::to_string(&turn)
            .map_err(|why| Problem::new("cannot journal a turn", why.to_string()))?;
        self.context.journal.journal_turn(self.task, &line)?;
        transcript.push(role, turn.content);
        Ok(())
    }

    async fn ask(&self, transcript: &mut Transcript) -> Result<Answer, Stopped> {
        if transcript.answers() >= self.turns {
            let cause = format!("the model took {} turns, and was not done", self.turns);
            return Err(Problem::new("the session is too long", cause)
                .hint("give the task in smaller parts")
                .into());
        }
        let request = self.request(transcript)?;
        let mut spent = Usage::default();
        let mut on_retry = |failure: &crate::api::Failure, pause: Duration| {
            tracing::warn!(task = %self.task, %failure, ?pause, "the model is asked again");
            if pause >= PAUSE_TOLD {
                let text = format!("waiting {} seconds for the model: {failure}", pause.as_secs());
                // Nobody hears, or there is much to be heard: either way it is no loss.
                drop(self.events.try_send(Progress::Note(text)));
            }
        };
        let asked = tokio::select! {
            () = self.cancel.cancelled() => None,
            asked = self.client.ask(&request, &mut spent, &mut on_retry) => Some(asked),
        };
        if spent != Usage::default() {
            self.context.journal.add_cost(self.task, &spent, Price::of(self.model).cost(&spent))?;
        }
        let answer =
            asked.ok_or(Stopped::Cancelled)?.map_err(|failure| Stopped::Problem(failure.problem()))?;
        if answer.usage.prompt() > self.context.limits.conversation {
            transcript.shorten();
        }
        Ok(answer)
    }

    fn request(&self, transcript: &Transcript) -> Result<Value, Problem> {
        let limits = &self.context.limits;
        let mut request = json!({
            "model": self.model,
            "stream": true,
            "system": [{"type": "text", "text": self.system, "cache_control": {"type": "ephemeral"}}],
            "tools": self.tools.iter().map(|tool| tool.definition()).collect::<Vec<_>>(),
            "messages": transcript.messages(),
        });
        let purse = Purse {
            task_spent: self.context.journal.spent_on(self.task)?,
            task: self.budget,
            day_spent: self.context.journal.spent_today()?,
            day: limits.day,
        };
        let output = purse.output(&Price::of(self.model), request.to_string().len(), limits.output)?;
        request["max_tokens"] = json!(output);
        Ok(request)
    }

    async fn take(&self, transcript: &mut Transcript, answer: &Answer) -> Result<Next, Stopped> {
        let failed = |what: &str, cause: String| Stopped::Problem(Problem::new(what, cause));
        match &answer.stop {
            Stop::Refusal => {
                return Err(failed("the model refuses the task", or(answer.text(), "it gives no reason")));
            }
            Stop::ContextFull => {
                return Err(failed(
                    "the session is too long",
                    "the conversation is longer than the model reads".to_owned(),
                ));
            }
            Stop::Other(reason) => {
                return Err(failed("the model stopped", format!("for the reason {:?}", visible(reason))));
            }
            Stop::EndTurn | Stop::ToolUse | Stop::MaxTokens | Stop::PauseTurn => {}
        }
        // The API takes no empty message.
        if !answer.content.is_empty() {
            self.say(transcript, Role::Assistant, answer.content.clone())?;
        }
        match (&answer.stop, answer.calls.is_empty()) {
            (_, false) => self.run_calls(answer).await.map(Next::Say),
            (Stop::MaxTokens, true) if answer.content.is_empty() => Err(failed(
                "the model gave no answer",
                format!("it thought for all of its {} tokens", answer.usage.output),
            )),
            (Stop::MaxTokens, true) => Ok(Next::Say(words(CUT))),
            (Stop::PauseTurn, true) => Ok(Next::Ask),
            _ => Ok(Next::Over(answer.text())),
        }
    }

    async fn run_calls(&self, answer: &Answer) -> Result<Vec<Value>, Stopped> {
        let said = answer.text();
        if !said.is_empty() {
            let _ = self.events.send(Progress::Note(said)).await;
        }
        let mut results = Vec::new();
        for (number, call) in answer.calls.iter().enumerate() {
            if number >= CALLS_MAX {
                let text = format!("not run: at most {CALLS_MAX} calls of one answer are run");
                results.push(result(&call.id, &text, true));
                continue;
            }
            let told = tools::run(call, self.tools, self.sandbox, self.cancel).await?;
            if self.cancel.is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            results.push(result(&call.id, &or(told.text, "(nothing)"), told.is_error));
        }
        Ok(results)
    }
}

/// What a message says in words.
fn text(content: &[Value]) -> String {
    let texts =
        content.iter().filter(|block| block["type"] == "text").filter_map(|block| block["text"].as_str());
    texts.collect::<Vec<_>>().join("\n\n")
}

fn or(text: String, otherwise: &str) -> String {
    if text.trim().is_empty() { otherwise.to_owned() } else { text }
}
