"""Foreign readers for the tests of `lib`: YAML, TOML and JSON Schema as other programs read them.

Speaks JSON lines: a request on standard input, an answer on standard output, until the input ends. Both sides are
ASCII, so control characters, line separators and characters beyond the BMP travel as escapes.

    {"op": "yaml", "reader": NAME, "text": TEXT}            -> {"ok": [DOCUMENT, ...]}
    {"op": "toml", "text": TEXT}                            -> {"ok": TABLE}
    {"op": "schema", "schema": SCHEMA}                      -> {"ok": null}; the schema for what follows
    {"op": "validate", "at": POINTER, "values": [VALUE...]} -> {"ok": [null or MESSAGE, ...]}
    anything that goes wrong                                -> {"error": MESSAGE}

The YAML readers:

    yaml-1.1   PyYAML's SafeLoader
    go-yaml    libyaml, which go-yaml v2 is a translation of, with go-yaml v2's own rules for what an unquoted scalar
               is: kubectl and Argo CD read through it (sigs.k8s.io/yaml). It knows y, n and 0b1, but no 12:30.
    yaml-1.2   ruamel.yaml, version 1.2

What has no form in JSON (a date, bytes, a key that is no string, an infinite number) is an error: no Kubernetes object
holds it, so a reader that finds one has misread a string.
"""

import json
import math
import re
import sys
import tomllib

import jsonschema
import ruamel.yaml
import yaml


class GoLoader(yaml.CSafeLoader):
    """libyaml with the implicit types of go-yaml v2, file resolve.go."""

    yaml_implicit_resolvers = {}
    bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


def go_table(tag, words):
    for word in words:
        GoLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(re.escape(word) + r"\Z"), word[:1] or [""])


go_table("bool", ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
go_table("bool", ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
go_table("null", ["", "~", "null", "Null", "NULL"])
go_table("float", [".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"])
go_table("merge", ["<<"])
# strconv.ParseInt(text without underscores, 0, 64), then yamlStyleFloat, then 0b.
GoLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(0b[01_]+|0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|[0-9][0-9_]*)\Z"),
    list("-+0123456789"),
)
GoLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9_]+|[0-9_]+(\.[0-9_]*)?)([eE][-+]?[0-9]+)?\Z"),
    list("-+0123456789."),
)
# An unquoted date is a timestamp for a field of that type; here it is a string that was left unquoted.
GO_TIME = r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?"
GoLoader.add_implicit_resolver(
    "tag:yaml.org,2002:timestamp",
    re.compile(rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}([Tt]{GO_TIME}(Z|[-+][0-9]{{2}}:[0-9]{{2}})| {GO_TIME})?\Z"),
    list("0123456789"),
)


def go_int(loader, node):
    text = node.value.replace("_", "")
    if re.fullmatch(r"[-+]?0[0-7]+", text):
        text = text.replace("0", "0o", 1)
    try:
        return int(text, 0)
    except ValueError:  # 08 is no octal number, so go-yaml tries it as a float.
        return float(text)


def go_timestamp(loader, node):
    raise ValueError(f"{node.value!r} is an unquoted date")


GoLoader.add_constructor("tag:yaml.org,2002:int", go_int)
GoLoader.add_constructor("tag:yaml.org,2002:timestamp", go_timestamp)


def ruamel_documents(text):
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    return reader.load_all(text)


YAML_READERS = {
    "yaml-1.1": lambda text: yaml.load_all(text, Loader=yaml.SafeLoader),
    "go-yaml": lambda text: yaml.load_all(text, Loader=GoLoader),
    "yaml-1.2": ruamel_documents,
}


def plain(value):
    """The value, if it is one that JSON has; types are compared exactly, for `True` is an `int` in Python."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{value} has no form in JSON")
        return value
    if kind is list:
        return [plain(item) for item in value]
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise ValueError(f"the key {key!r} is {type(key).__name__}, not a string")
        return {key: plain(item) for key, item in value.items()}
    raise ValueError(f"{value!r} is {kind.__name__}, which JSON has not")


class Answers:
    """The operations, and the schema that the last of them set."""

    def __init__(self):
        self.schema = None

    def yaml(self, reader, text):
        return [plain(document) for document in YAML_READERS[reader](text)]

    def toml(self, text):
        return plain(tomllib.loads(text))

    def set_schema(self, schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        self.schema = schema

    def validate(self, at, values):
        part = {"$schema": self.schema["$schema"], "$defs": self.schema["$defs"], "$ref": f"#{at}"} if at else self.schema
        validator = jsonschema.Draft202012Validator(part)
        return [self.first_error(validator, value) for value in values]

    @staticmethod
    def first_error(validator, value):
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        return error and f"{error.json_path}: {error.message}"


def main():
    answers = Answers()
    operations = {
        "yaml": answers.yaml,
        "toml": answers.toml,
        "schema": answers.set_schema,
        "validate": answers.validate,
    }
    for line in sys.stdin.buffer:
        try:
            request = json.loads(line)
            answer = {"ok": operations[request.pop("op")](**request)}
        except Exception as error:  # Whatever a reader raises is its answer.
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
