//! The lines as they stand in JSON: texts, not yet values. Bytes that are no text are escaped as in the stanza.

use nuketown::{
    Problem,
    values::{Malformed as Unfit, Seconds},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Ask, Decision, LINE_BYTES_MAX, Waiting};
use crate::{
    AbsolutePath, Answer, Argv, Environment, Malformed, Payload, UnixName, Variable, command,
    request::{Delegate, Kind, Network, Scale, Sudo},
    stanza::instant,
    visible,
};

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum FromClient {
    Request(Box<Fields>),
    Spend { id: String, digest: String },
    Cancel { id: String },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum FromBroker {
    Waiting {
        id: String,
        code: String,
        digest: String,
        agent: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        expires: String,
    },
    Decision {
        id: String,
        digest: String,
        result: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Spent {
        id: String,
        digest: String,
    },
    Error {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        what: String,
        cause: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// A request's fields, those of every kind side by side.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agents: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    egress: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    nonce: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    non_interactive: bool,
}

/// The line of a value. JSON of texts, numbers and lists of them cannot fail; an empty line would be refused by its reader.
pub(super) fn line(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

pub(super) fn read<T: DeserializeOwned>(line: &[u8]) -> Result<T, Malformed> {
    if line.len() > LINE_BYTES_MAX {
        let found = format!("has {} bytes", line.len());
        return Err(Malformed::at("the line", found, format!("at most {LINE_BYTES_MAX} are read")));
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { "the line".to_owned() } else { visible::quoted(&path) };
        Malformed::at(&place, "cannot be read", visible::prose(&error.into_inner().to_string()))
    })?;
    json.end().map_err(|error| Malformed::at("the line", "goes on", visible::prose(&error.to_string())))?;
    Ok(value)
}

impl From<&super::FromClient> for FromClient {
    fn from(line: &super::FromClient) -> Self {
        match line {
            super::FromClient::Request(ask) => Self::Request(Box::new(fields(ask))),
            super::FromClient::Spend { id, digest } => {
                Self::Spend { id: id.to_string(), digest: digest.to_string() }
            }
            super::FromClient::Cancel { id } => Self::Cancel { id: id.to_string() },
        }
    }
}

impl TryFrom<FromClient> for super::FromClient {
    type Error = Malformed;

    fn try_from(line: FromClient) -> Result<Self, Malformed> {
        Ok(match line {
            FromClient::Request(fields) => Self::Request(Box::new(ask(*fields)?)),
            FromClient::Spend { id, digest } => Self::Spend { id: id.parse()?, digest: digest.parse()? },
            FromClient::Cancel { id } => Self::Cancel { id: id.parse()? },
        })
    }
}

impl From<&super::FromBroker> for FromBroker {
    fn from(line: &super::FromBroker) -> Self {
        match line {
            super::FromBroker::Waiting(waiting) => Self::Waiting {
                id: waiting.id.to_string(),
                code: waiting.code.to_string(),
                digest: waiting.digest.to_string(),
                agent: waiting.agent.to_string(),
                host: waiting.host.as_ref().map(ToString::to_string),
                expires: waiting.expires.to_string(),
            },
            super::FromBroker::Decision(decision) => Self::Decision {
                id: decision.id.to_string(),
                digest: decision.digest.to_string(),
                result: decision.result.as_str().to_owned(),
                reason: decision.reason.clone(),
            },
            super::FromBroker::Spent { id, digest } => {
                Self::Spent { id: id.to_string(), digest: digest.to_string() }
            }
            super::FromBroker::Error { id, problem } => Self::Error {
                id: id.as_ref().map(ToString::to_string),
                what: problem.what.clone(),
                cause: problem.cause.clone(),
                hint: problem.hint.clone(),
            },
        }
    }
}

impl TryFrom<FromBroker> for super::FromBroker {
    type Error = Malformed;

    fn try_from(line: FromBroker) -> Result<Self, Malformed> {
        Ok(match line {
            FromBroker::Waiting { id, code, digest, agent, host, expires } => {
                Self::Waiting(Box::new(Waiting {
                    id: id.parse()?,
                    code: code.parse()?,
                    digest: digest.parse()?,
                    agent: value("agent", &agent)?,
                    host: host.map(|host| value("host", &host)).transpose()?,
                    expires: instant("expires", &expires)?,
                }))
            }
            FromBroker::Decision { id, digest, result, reason } => Self::Decision(Decision {
                id: id.parse()?,
                digest: digest.parse()?,
                result: [Answer::Approved, Answer::Denied]
                    .into_iter()
                    .find(|answer| answer.as_str() == result)
                    .ok_or_else(|| Malformed::new("result", &result, "expected approved or denied"))?,
                reason,
            }),
            FromBroker::Spent { id, digest } => Self::Spent { id: id.parse()?, digest: digest.parse()? },
            FromBroker::Error { id, what, cause, hint } => Self::Error {
                id: id.map(|id| id.parse()).transpose()?,
                problem: Problem { what, cause, hint },
            },
        })
    }
}

fn fields(ask: &Ask) -> Fields {
    let mut fields = Fields {
        kind: ask.payload.kind().to_string(),
        cwd: ask.cwd.as_ref().map(|cwd| command::to_wire(cwd.as_bytes())),
        nonce: ask.nonce.to_string(),
        timeout: ask.timeout.map(|seconds| seconds.get().into()),
        non_interactive: ask.non_interactive,
        ..Fields::default()
    };
    match &ask.payload {
        Payload::Sudo(sudo) => {
            fields.argv = Some(sudo.argv.arguments().iter().map(|bytes| command::to_wire(bytes)).collect());
            fields.program = sudo.program.as_ref().map(|path| command::to_wire(path.as_bytes()));
            fields.identity = sudo.identity.map(|identity| identity.to_string());
            let variables = sudo.environment.variables().iter();
            fields.env = variables.map(|variable| command::to_wire(&variable.assignment())).collect();
            fields.user = Some(sudo.user.to_string());
            fields.group = sudo.group.as_ref().map(ToString::to_string);
        }
        Payload::Delegate(Delegate { task, agents }) => {
            fields.task = Some(task.as_str().to_owned());
            fields.agents = Some(agents.to_string());
        }
        Payload::Scale(Scale { from, to }) => {
            fields.from = Some(from.to_string());
            fields.to = Some(to.to_string());
        }
        Payload::Network(network) => {
            fields.egress = network.egress().iter().map(ToString::to_string).collect();
            fields.duration = network.duration.map(|seconds| seconds.get().into());
        }
    }
    fields
}

fn ask(mut fields: Fields) -> Result<Ask, Malformed> {
    let payload = payload(&mut fields)?;
    if let Some(field) = left_over(&fields) {
        let found = format!("stands in a request of kind {}", payload.kind());
        return Err(Malformed::at(field, found, "each kind has its own fields"));
    }
    Ok(Ask {
        payload,
        cwd: fields.cwd.map(|cwd| path("cwd", &cwd)).transpose()?,
        nonce: fields.nonce.parse()?,
        timeout: fields.timeout.map(|seconds| duration("timeout", seconds)).transpose()?,
        non_interactive: fields.non_interactive,
    })
}

/// Takes the fields of the kind.
fn payload(fields: &mut Fields) -> Result<Payload, Malformed> {
    Ok(match fields.kind.parse()? {
        Kind::Sudo => Payload::Sudo(sudo(fields)?),
        Kind::Delegate => Payload::Delegate(Delegate {
            task: needed("task", fields.task.take())?.parse()?,
            agents: needed("agents", fields.agents.take())?.parse()?,
        }),
        Kind::Scale => Payload::Scale(Scale {
            from: value("from", &needed("from", fields.from.take())?)?,
            to: value("to", &needed("to", fields.to.take())?)?,
        }),
        Kind::Network => {
            let egress = std::mem::take(&mut fields.egress);
            let egress = egress.iter().map(|text| value("egress", text)).collect::<Result<_, _>>()?;
            let seconds = fields.duration.take();
            Payload::Network(Network::new(
                egress,
                seconds.map(|seconds| duration("duration", seconds)).transpose()?,
            )?)
        }
    })
}

fn sudo(fields: &mut Fields) -> Result<Sudo, Malformed> {
    let argv = needed("argv", fields.argv.take())?;
    let argv = argv.iter().map(|text| command::from_wire("argv", text)).collect::<Result<_, _>>()?;
    let variable = |text: String| Variable::new(&command::from_wire("env", &text)?);
    let variables = std::mem::take(&mut fields.env).into_iter().map(variable);
    Ok(Sudo {
        argv: Argv::new(argv)?,
        program: fields.program.take().map(|program| path("program", &program)).transpose()?,
        identity: fields.identity.take().map(|identity| identity.parse()).transpose()?,
        environment: Environment::new(variables.collect::<Result<_, _>>()?)?,
        user: fields.user.take().map_or(Ok(UnixName::root()), |user| user.parse())?,
        group: fields.group.take().map(|group| group.parse()).transpose()?,
    })
}

fn left_over(fields: &Fields) -> Option<&'static str> {
    [
        (fields.argv.is_some(), "argv"),
        (fields.program.is_some(), "program"),
        (fields.identity.is_some(), "identity"),
        (!fields.env.is_empty(), "env"),
        (fields.user.is_some(), "user"),
        (fields.group.is_some(), "group"),
        (fields.task.is_some(), "task"),
        (fields.agents.is_some(), "agents"),
        (fields.from.is_some(), "from"),
        (fields.to.is_some(), "to"),
        (!fields.egress.is_empty(), "egress"),
        (fields.duration.is_some(), "duration"),
    ]
    .into_iter()
    .find_map(|(is_left, name)| is_left.then_some(name))
}

fn needed<T>(place: &str, field: Option<T>) -> Result<T, Malformed> {
    field.ok_or_else(|| Malformed::at(place, "is missing", "its kind needs it"))
}

fn value<T: std::str::FromStr<Err = Unfit>>(place: &str, text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|why: Unfit| Malformed::new(place, text, why.to_string()))
}

fn duration(place: &str, seconds: i64) -> Result<Seconds, Malformed> {
    Seconds::try_from(seconds).map_err(|why| Malformed::new(place, &seconds.to_string(), why.to_string()))
}

fn path(place: &str, text: &str) -> Result<AbsolutePath, Malformed> {
    AbsolutePath::new(command::from_wire(place, text)?)
}
