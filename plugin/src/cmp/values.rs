//! What an Application wants: its parameters, and the variables that stand in for some of them.
//!
//! Argo CD passes the parameters as JSON in `ARGOCD_APP_PARAMETERS`, `null` where there are none. It passes them as
//! `PARAM_*` as well, where two names can become one variable; those are not read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use nuketown::{
    Problem, Scope, Selection, nearest,
    values::{AgentName, NamespaceName, PreviewSlug, TierName},
};
use serde_json::{Map, Value};

use super::{
    environment::Environment,
    parameters::{Kind, PARAMETERS, Parameter},
};
use crate::{failure::Failure, flake::Evaluator};

/// The variable that Argo CD passes the parameters in.
const VARIABLE: &str = "ARGOCD_APP_PARAMETERS";

/// What an Application wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// The flake's output that holds the town.
    pub(super) attr: Option<String>,
    /// What evaluates hosts.
    pub(super) evaluator: Evaluator,
    /// What is rendered of it.
    pub(super) selection: Selection,
}

impl Wanted {
    /// Reads the parameters, and for those that are not set the variables.
    ///
    /// # Errors
    ///
    /// All parameters that do not exist, are of another kind, or hold what they must not.
    pub(super) fn read(environment: &Environment) -> Result<Self, Failure> {
        let parameters = parameters(environment.get(VARIABLE).unwrap_or("null")).map_err(Failure::usage)?;
        let mut reading = Reading { environment, parameters, problems: Vec::new() };
        let wanted = Self {
            attr: reading.text::<String>("attr", "NUKETOWN_ATTR"),
            evaluator: reading.text::<Evaluator>("evaluator", "NUKETOWN_EVALUATOR").unwrap_or_default(),
            selection: Selection {
                agents: reading.agents(),
                namespace: reading.text::<NamespaceName>("namespace", "NUKETOWN_NAMESPACE"),
                preview: reading.text::<PreviewSlug>("preview", "NUKETOWN_PREVIEW"),
                scope: reading.text::<Scope>("scope", "NUKETOWN_SCOPE").unwrap_or_default(),
                tiers: reading.tiers(),
                allow_empty: false,
            },
        };
        let problems = reading.problems;
        if problems.is_empty() { Ok(wanted) } else { Err(usage(problems)) }
    }
}

fn usage(problems: Vec<Problem>) -> Failure {
    Failure { class: crate::flake::Class::Usage, problems }
}

/// The parameters by name, each as its value. All of them exist and have a value of their kind.
fn parameters(json: &str) -> Result<BTreeMap<&'static str, Value>, Problem> {
    let unreadable = |cause: String| Problem::new(format!("{VARIABLE} is not what Argo CD passes"), cause);
    let list = match serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))? {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        _ => return Err(unreadable("expected a JSON array".to_owned())),
    };
    let mut parameters = BTreeMap::new();
    for entry in list {
        let Value::Object(mut fields) = entry else {
            return Err(unreadable("expected an array of objects".to_owned()));
        };
        let name =
            fields.remove("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == name) else {
            return Err(unknown(&name));
        };
        if parameters.insert(parameter.name, value(parameter, fields)?).is_some() {
            let cause = "the Application's plugin.parameters has it twice";
            return Err(Problem::new(format!("the parameter `{name}` is set twice"), cause));
        }
    }
    Ok(parameters)
}

/// The value of a parameter, which has to be in the field of its kind.
fn value(parameter: &Parameter, fields: Map<String, Value>) -> Result<Value, Problem> {
    let Parameter { name, kind, example, .. } = parameter;
    let mut found: Vec<String> = Vec::new();
    for (field, value) in fields {
        if value.is_null() {
            continue;
        }
        let fits = match kind {
            Kind::Text => value.is_string(),
            Kind::Array => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Kind::Map => value.as_object().is_some_and(|items| items.values().all(Value::is_string)),
        };
        if field == kind.field() && fits {
            return Ok(value);
        }
        found.push(field);
    }
    let cause = match found.first() {
        Some(field) => format!("it is set as `{field}`; it is of the kind `{}`", kind.field()),
        None => format!("it has no value; it is of the kind `{}`", kind.field()),
    };
    Err(Problem::new(format!("the parameter `{name}` is of another kind"), cause)
        .hint(format!("write {example}")))
}

fn unknown(name: &str) -> Problem {
    let names: Vec<&str> = PARAMETERS.iter().map(|parameter| parameter.name).collect();
    let shown: String = name.chars().take(60).collect();
    let problem = Problem::new(
        format!("there is no parameter `{}`", shown.escape_debug()),
        format!("the parameters are {}", names.join(", ")),
    );
    match nearest(name, names.into_iter()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

struct Reading<'e> {
    environment: &'e Environment,
    parameters: BTreeMap<&'static str, Value>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    /// A text: the parameter's, or else the variable's. An empty one is what Argo CD's form leaves behind, and is none.
    fn text<T: FromStr<Err: Display>>(&mut self, name: &str, variable: &str) -> Option<T> {
        let parameter = self.parameters.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (place, text) = match (parameter, self.environment.either(variable)) {
            (Some(text), _) => (format!("the parameter `{name}`"), text.to_owned()),
            (None, Some((whole, text))) => (format!("the variable {whole}"), text.to_owned()),
            (None, None) => return None,
        };
        self.parse(&place, "it", &text)
    }

    fn agents(&mut self) -> BTreeSet<AgentName> {
        let names = self.parameters.get("agents").and_then(Value::as_array).cloned().unwrap_or_default();
        let names = names.iter().filter_map(Value::as_str);
        names.filter_map(|name| self.parse("the parameter `agents`", "an entry", name)).collect()
    }

    fn tiers(&mut self) -> BTreeMap<AgentName, TierName> {
        let place = "the parameter `tiers`";
        let tiers = self.parameters.get("tiers").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut read = BTreeMap::new();
        for (agent, tier) in &tiers {
            let name: Option<AgentName> = self.parse(place, "a key", agent);
            let tier = self.parse(
                place,
                &format!("its entry for {}", agent.escape_debug()),
                tier.as_str().unwrap_or_default(),
            );
            read.extend(name.zip(tier));
        }
        read
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, place: &str, what: &str, text: &str) -> Option<T> {
        let shown: String = text.chars().take(60).collect();
        let refused = |error: T::Err| {
            Problem::new(format!("{place} has no valid value"), format!("{what} is {shown:?}; {error}"))
        };
        text.parse().map_err(|error| self.problems.push(refused(error))).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<Wanted, Vec<String>> {
        let environment = Environment::from([(VARIABLE, json)]);
        let said = |failure: Failure| failure.problems.iter().map(ToString::to_string).collect();
        Wanted::read(&environment).map_err(said)
    }

    #[test]
    fn parameter_of_every_kind_is_read() {
        let wanted = read(
            r#"[{"name":"agents","array":["ada","bob"]},{"name":"attr","string":"towns.x"},
                {"name":"evaluator","string":"nix-eval-jobs"},
                {"name":"namespace","string":"n"},{"name":"preview","string":"pr-7"},
                {"name":"scope","string":"agents"},{"name":"tiers","map":{"ada":"small"}}]"#,
        )
        .unwrap();
        let text = format!("{wanted:?}");
        assert_eq!(wanted.attr.as_deref(), Some("towns.x"));
        assert_eq!(wanted.evaluator, Evaluator::NixEvalJobs(None));
        assert_eq!(wanted.selection.agents.len(), 2);
        assert_eq!(wanted.selection.namespace.as_ref().map(NamespaceName::as_str), Some("n"));
        assert_eq!(wanted.selection.preview.as_ref().map(PreviewSlug::as_str), Some("pr-7"));
        assert_eq!((wanted.selection.scope, wanted.selection.tiers.len()), (Scope::Agents, 1), "{text}");
    }

    #[test]
    fn nothing_set_is_nothing_wanted() {
        for json in ["null", "[]", "", r#"[{"name":"attr","string":""},{"name":"agents","array":[]}]"#] {
            let wanted = read(json).unwrap();
            assert!(wanted.attr.is_none() && wanted.selection.agents.is_empty(), "{json}");
            assert_eq!(wanted.selection.scope, Scope::Town, "{json}");
        }
    }

    #[test]
    fn variable_stands_in_for_a_parameter_that_is_not_set() {
        let variables =
            [("ARGOCD_ENV_NUKETOWN_ATTR", "a"), ("NUKETOWN_PREVIEW", "pr-1"), ("PARAM_ATTR", "no")];
        let wanted = Wanted::read(&Environment::from(variables)).unwrap();
        assert_eq!(wanted.attr.as_deref(), Some("a"));
        assert!(wanted.selection.preview.is_some());
        let jobs =
            [(VARIABLE, r#"[{"name":"evaluator","string":"nix"}]"#), ("NUKETOWN_EVALUATOR", "nix-eval-jobs")];
        assert_eq!(Wanted::read(&Environment::from(jobs)).unwrap().evaluator, Evaluator::Nix);
        let both = [(VARIABLE, r#"[{"name":"attr","string":"b"}]"#), ("NUKETOWN_ATTR", "a")];
        assert_eq!(Wanted::read(&Environment::from(both)).unwrap().attr.as_deref(), Some("b"));
    }

    #[test]
    fn parameter_that_does_not_exist_is_refused_with_the_nearest() {
        let said = read(r#"[{"name":"agent","array":["ada"]}]"#).unwrap_err();
        assert!(
            said[0].contains("no parameter `agent`") && said[0].contains("did you mean `agents`?"),
            "{said:?}"
        );
    }

    #[test]
    fn parameter_of_another_kind_says_which_it_is_and_how_it_is_written() {
        let said = read(r#"[{"name":"agents","string":"ada"}]"#).unwrap_err();
        assert!(said[0].contains("set as `string`; it is of the kind `array`"), "{said:?}");
        assert!(said[0].contains("write array: [ada, bob]"), "{said:?}");
        assert!(read(r#"[{"name":"tiers","map":{"ada":3}}]"#).unwrap_err()[0].contains("kind `map`"));
        assert!(read(r#"[{"name":"attr"}]"#).unwrap_err()[0].contains("it has no value"));
    }

    #[test]
    fn all_values_that_are_refused_are_named_at_once() {
        let said = read(
            r#"[{"name":"agents","array":["Ada","-"]},{"name":"preview","string":"PR 7"},
                {"name":"scope","string":"all"},{"name":"tiers","map":{"ada":""}},
                {"name":"evaluator","string":"nix-eval"}]"#,
        );
        assert_eq!(said.unwrap_err().len(), 6);
    }

    #[test]
    fn the_same_parameter_twice_is_refused() {
        let twice = r#"[{"name":"attr","string":"a"},{"name":"attr","string":"b"}]"#;
        assert!(read(twice).unwrap_err()[0].contains("set twice"));
    }

    proptest! {
        #[test]
        fn whatever_is_passed_is_read_or_refused(json in any::<String>()) {
            if let Err(said) = read(&json) {
                prop_assert!(!said.is_empty());
            }
        }

        #[test]
        fn whatever_an_entry_holds_is_read_or_refused(name in "agents|attr|tiers|[a-z]{0,9}", field in "string|array|map|x", text in any::<String>()) {
            for value in [serde_json::json!(text), serde_json::json!([text]), serde_json::json!({ text.clone(): text })] {
                let json = serde_json::json!([{ "name": name, field.clone(): value }]).to_string();
                let _ = read(&json);
            }
        }
    }
}
