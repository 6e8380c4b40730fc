-- Times are milliseconds since 1970 in UTC, money is millionths of a dollar.
CREATE TABLE tasks (
    -- AUTOINCREMENT: a number is never used again, whatever is deleted.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    requester TEXT NOT NULL,
    -- Which message asked for it, so that the same message asks once.
    origin TEXT UNIQUE,
    form TEXT NOT NULL,
    project TEXT,
    branch TEXT,
    text TEXT NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    result TEXT
) STRICT;
CREATE INDEX tasks_by_state ON tasks (state, id);
CREATE TABLE sessions (
    task INTEGER NOT NULL REFERENCES tasks (id),
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE turns (
    task INTEGER NOT NULL REFERENCES tasks (id),
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    turn TEXT NOT NULL,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE costs (
    id INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (id),
    at INTEGER NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cache INTEGER NOT NULL,
    micro_dollars INTEGER NOT NULL
) STRICT;
CREATE INDEX costs_by_time ON costs (at);
CREATE INDEX costs_by_task ON costs (task);
CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    task INTEGER REFERENCES tasks (id),
    kind TEXT NOT NULL,
    shown TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    decided_at INTEGER,
    outcome TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE questions (
    task INTEGER NOT NULL REFERENCES tasks (id),
    id TEXT NOT NULL,
    text TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    answer TEXT,
    answered_at INTEGER,
    PRIMARY KEY (task, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE lines (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task INTEGER NOT NULL REFERENCES tasks (id),
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX lines_by_task ON lines (task, id);
-- What is still to be said to somebody on XMPP.
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    task INTEGER NOT NULL REFERENCES tasks (id),
    requester TEXT NOT NULL,
    form TEXT NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
