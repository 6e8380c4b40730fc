//! A session: the work on one task.

/// What a session reports while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something that the requester may want to know.
    Note(String),
    /// The session cannot go on without an answer.
    Question {
        /// Which of its questions; asked again under the same id, it is the same question.
        id: String,
        /// What it asks.
        text: String,
    },
    /// The session waits for a human to approve this kind of thing: `sudo`, `delegation`.
    WaitingForApproval(String),
    /// The session goes on.
    Resumed,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The task is done.
    Done {
        /// What was done, in words.
        summary: String,
        /// The branch that holds the work.
        branch: Option<String>,
        /// The commits of the work, the newest last: hash and subject.
        commits: Vec<String>,
        /// Millionths of a dollar.
        cost: u64,
    },
    /// The task cannot be done.
    Failed {
        /// What failed.
        what: String,
        /// Why.
        cause: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The session was told to end, or cannot be taken up again.
    Interrupted,
    /// The session ended with a question; with the answer it begins anew.
    NeedsAnswer(String),
}
