//! The reader process of `tools/yaml_readers.py`: YAML, TOML and JSON Schema as programs in another language read them.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

/// What reads a stream of YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum YamlReader {
    /// `PyYAML`.
    V1_1,
    /// libyaml with the implicit types of go-yaml v2, through which kubectl and Argo CD read.
    Go,
    /// ruamel.yaml.
    V1_2,
}

impl YamlReader {
    pub(crate) const ALL: [Self; 3] = [Self::V1_1, Self::Go, Self::V1_2];

    const fn name(self) -> &'static str {
        match self {
            Self::V1_1 => "yaml-1.1",
            Self::Go => "go-yaml",
            Self::V1_2 => "yaml-1.2",
        }
    }
}

/// One reader process. It ends when this value is dropped.
pub(crate) struct Readers {
    child: RefCell<Child>,
    pipes: RefCell<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Readers {
    pub(crate) fn start() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let python = project.join("target/tools/venv/bin/python");
        assert!(python.exists(), "the Python packages of the tests are missing; run: make setup");
        let mut child = Command::new(python)
            .args(["-I", "-B"])
            .arg(project.join("tools/yaml_readers.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipes = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child: RefCell::new(child), pipes: RefCell::new(Some(pipes)) }
    }

    /// The documents of a stream, or why it cannot be read.
    pub(crate) fn yaml(&self, reader: YamlReader, text: &str) -> Result<Vec<Value>, String> {
        let answer = self.ask(&json!({ "op": "yaml", "reader": reader.name(), "text": text }))?;
        Ok(answer.as_array().unwrap().clone())
    }

    /// The table of a TOML document, as Python's `tomllib` reads it.
    pub(crate) fn toml(&self, text: &str) -> Result<Value, String> {
        self.ask(&json!({ "op": "toml", "text": text }))
    }

    /// Takes a JSON Schema (draft 2020-12) for [`Readers::validate`].
    pub(crate) fn set_schema(&self, schema: &Value) -> Result<(), String> {
        self.ask(&json!({ "op": "schema", "schema": schema })).map(drop)
    }

    /// For each value what the schema at `at` (a JSON pointer, empty for the root) has against it.
    pub(crate) fn validate(&self, at: &str, values: &[Value]) -> Vec<Option<String>> {
        let answer = self.ask(&json!({ "op": "validate", "at": at, "values": values })).unwrap();
        serde_json::from_value(answer).unwrap()
    }

    fn ask(&self, request: &Value) -> Result<Value, String> {
        let mut pipes = self.pipes.borrow_mut();
        let (input, output) = pipes.as_mut().unwrap();
        writeln!(input, "{request}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).expect("the reader process answers in JSON");
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap().to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        // The end of its input is the end of the process.
        self.pipes.take();
        let _ = self.child.borrow_mut().wait();
    }
}
