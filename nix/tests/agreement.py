#!/usr/bin/env python3
"""Compares the options of nix/options.nix with the Rust model, which prints its JSON Schema and judges values.

    agreement.py options SCHEMA OPTIONS          names, types, ranges and defaults, in both directions
    agreement.py samples SCHEMA                  prints values of every type, good ones and bad ones
    agreement.py rust SCHEMA SAMPLES RENDERER    prints what the renderer says of each: true where it takes the value
    agreement.py verdicts SAMPLES RUST NIX       compares what both say

Only the standard library is used. Samples are the same in every run.
"""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# Names that the schema knows by their pattern only: where such a name stands.
KEYS = {"AgentName": "agents.*", "RepoName": "agents.*.daemon.repos.*", "FileName": "agents.*.secrets.extraSecrets.*"}
KEY_EXAMPLES = {"AgentName": "ada", "RepoName": "nuketown", "FileName": "imap-password"}

# Besides mutations of the examples: what is at the edge of a rule.
EDGES = {
    "AbsoluteDir": ["/", "//", "/a/", "/a/../b", "/a/./b", "/a:b", "/a$(B)", "/a b", "/" + "a" * 199, "/" + "a" * 200, "/\u0085", "/é"],
    "AgentName": ["a" * 31, "a" * 32, "a-", "-a", "1a", "a.b", "A", "a_b", "a--b"],
    "AwsRegion": ["eu-1", "eu-central", "eu-central-x", "us-gov-east-1", "-eu-central-1", "eu--central-1", "a" * 60 + "-b-1", "a" * 59 + "-b-1"],
    "AwsRoleArn": ["arn:aws-cn:iam::123456789012:role/a", "arn:aws-us-gov:iam::123456789012:role/x/y", "arn:aws:iam::12345678901:role/a",
                   "arn:aws:iam:eu:123456789012:role/a", "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/" + "a" * 576,
                   "arn:aws:iam::123456789012:role/" + "a" * 577, "arn:gcp:iam::123456789012:role/a", "arn:aws:s3::123456789012:role/a"],
    "BareJid": ["6bit.com", "ada@6bit.com/phone", "@6bit.com", "ada@", "a b@6bit.com", "a@b@c", "Ada@6Bit.com", "a@b.", "a@b..", "a@-b", "a@b-",
                "a@ab--c", "a@127.0.0.1", "a@[::1]", "a@[::g]", "a@127.0.0.256", "a@" + "b" * 63, "a@" + "b" * 64, "a" * 1023 + "@b",
                "a" * 1024 + "@b", "a&b@c", "a'b@c", "a\"b@c", "a<b@c", "a:b@c", "a;b@c", "a@b_c", "a@b c", "a@b%c", "a@b:1", "a@b!c", "a@.b", "a\u0001@b",
                "a@" + ".".join(["b" * 62] * 4), "a@" + ".".join(["b" * 63] * 4)],
    "Egress": ["", ":", "pypi.org", "pypi.org:", "pypi.org:0", "pypi.org:65535", "pypi.org:65536", "pypi.org:+443", "pypi.org:00443", "pypi.org:000443",
               "https://pypi.org:443", "pypi.org:443/sctp", "pypi.org:443/tcp", "*:443", "*.org:443", "a.*.org:443", "PyPI.org:443", "10.1.0.1/16:5432",
               "10.1.0.0/33:1", "10.1.0.0/32:1", "10.1.0.0/016:1", "10.0.0.0/8:1", "0.0.0.0/0:1", "1.2.3:443", "1.2.3.4:443", "01.2.3.4:443", "01.2.3.0/24:443",
               "256.1.1.1:1", "2001:db8::1:443", "[2001:db8::1]:443", "[2001:db8::/32]:443", "[2001:db8::1/32]:443", "[1.2.3.4]:443", "[::]:1",
               "[::/0]:1", "[::1.2.3.4]:1", "[::ffff:1.2.3.4]:1", "[::ffff:0:0/96]:1", "[::ffff:0:0/95]:1", "[::fffe:0:0/95]:1", "[1:2:3:4:5:6:7:8]:1",
               "[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:8::]:1", "[::1:2:3:4:5:6:7]:1", "[::1:2:3:4:5:6:7:8]:1", "[1::2::3]:1", "[1:2:3:4:5:6:7::8]:1",
               "[1:2:3:4:5:6:7::8/128]:1", "[12345::]:1", "[::1%eth0]:1", "[1.2.3.4::]:1", "[1:2:3:4:5:6:1.2.3.4]:1", "[fe80::1]:443", "[fe80::/10]:443",
               "[fe80::/9]:443", "[fec0::1]:443", "[fd00:ec2::254]:80", "[fd00:ec2::/64]:80", "[fd20:ce::254]:80", "169.254.169.254:80", "169.254.0.0/16:80",
               "169.254.0.0/15:80", "168.0.0.0/7:80", "[fe00::/7]:1", "[]:1", "[:1", "]:1", "localhost:80", "a.1:80", "a.b1:80"],
    "FileName": ["a" * 63, "a" * 64, "a.", ".a", "a/b", "A_b-c.d", ""],
    "GcpServiceAccount": ["a@b.iam.gserviceaccount.com", "a@b.c.iam.gserviceaccount.com", "a@.iam.gserviceaccount.com", "@b.iam.gserviceaccount.com",
                          "a@b@c.iam.gserviceaccount.com", "a-@b.iam.gserviceaccount.com", "a@iam.gserviceaccount.com"],
    "GitUrl": ["nuketown", "/srv/git/x", "./x", "file:///srv/x", "ext::sh -c id", "ext::id", "--upload-pack=id", "ssh://-oProxyCommand=id/x",
               "https://user:secret@github.com/x", "https://token@github.com/x", "ssh://git:secret@github.com/x", "https://github.com", "https://github.com/",
               "https://github.com//", "git@github.com:", "git@github.com:/", "ssh://git@ho st/x", "git@github.com:x\ny", "-oProxyCommand=id:x", "ftp://a.org/x",
               "git://git.example.org/x", "ssh://git@git.example.org:2222/x.git", "http://10.0.0.5/x.git", "github.com:x", "a@b@c.org:x", "ssh://a@b@c.org/x",
               "ssh://10.0.0.0/8/x", "git@[::1]:x", "ssh://[2001:db8::1]/x", "ssh://[2001:db8::1]:22/x", "a/b:c", ":x", "a::b", "git@a.org:\u00a0x", "git@a.org:é"],
    "HostName": ["a", "1", "a.1", "1.a", "a-", "-a", "a..b", ".a", "a.", "A", "a" * 63, "a" * 64, ".".join(["a" * 62] * 4), ".".join(["a" * 63] * 4), "a_b", "xn--a"],
    "HostPort": ["a:1", "a:0", "a:65536", "a:", "*.a.b", "10.0.0.0/8", "10.0.0.1", "10.0.0.1:80", "10.0.0.1/32", "10.0.0.1/32:80", "[::1]", "[::1]:80",
                 "[::1/128]", "::1", "[fe80::1]", "169.254.1.1", "https://a", "a/b", "[a]", "[::1]80", "[::1"],
    "HttpUrl": ["api.anthropic.com", "ftp://x.org", "https://", "https://u:p@x.org", "https://x.org?k=v", "https://x.org#f", "https://x y", "https://x/@a",
                "https://x.org:0", "https://x.org:8443/v1/", "http://127.0.0.1:8080/v1", "http://[::1]:80", "HTTPS://x.org", "https://x.org/\u2003", "https://x/é",
                "https://10.0.0.0/8"],
    "ImageReference": ["a", "a:1", "a:latest", "a@sha256:" + "0" * 64, "a@sha256:" + "A" * 64, "a:1@sha256:" + "0" * 64, "a:latest@sha256:" + "0" * 64, "r:5000/a",
                       "r:5000/a:1", "r:/a:1", "A:1", "a//b:1", "a/b:1/c", "a:" + "1" * 128, "a:" + "1" * 129, "a" * 255 + ":1", "a" * 256 + ":1",
                       "r:5000@sha256:" + "0" * 64, "a@md5:0", "a:-1", "a:_1"],
    "ImageTag": ["latest", "Latest", "-a", ".a", "_a", "a" * 128, "a" * 129, "a b", ""],
    "LabelKey": ["a" * 63, "a" * 64, "a/b", "a/b/c", "/b", "a/", "A/b", "a.b/c", "-a", "a_", "a..b/c"],
    "LabelValue": ["", "a" * 63, "a" * 64, "-a", "a-", "a.b_c-d", "é"],
    "MailAddress": ["a@b@c", "@b", "a@", "a b@c", "a<b@c", "a,b@c", "a;b@c", "a\"b@c", "a\\b@c", "é@b", "a@b\u0085", "a" * 252 + "@b", "a" * 253 + "@b"],
    "NamespaceName": ["a" * 63, "a" * 64, "1", "a-", "A"],
    "ObjectName": ["a.b", "a..b", ".a", "a" * 63, "a" * 64, "A", "a_b", ".".join(["a" * 62] * 4), ".".join(["a" * 63] * 4)],
    "PersistPath": ["/etc", "..", "a/../b", "../x", ".", "a//b", "a/", "./a", "~/x", "~", "a\nb", "...", "é", "éa", "a:b", "a" * 55, "a" * 56, "a b", ".config",
                    "a/" + "-" * 250 + "b", "a/" + "-" * 255],
    "Quantity": ["", ".", "1.2.3", "Gi", "1gi", "1 Gi", " 1", "-1", "+1", "1ki", "1K", "1Gib", "1e", "1e+", "two", "1e99", "１", "9223372036854775806", "8Ei", "7Ei",
                 "0", "0Gi", ".5", "5.", "1E", "1E3", "1e-3", "1e+3", "1e30", "0e30", "0e20", "1e-30", "1n", "0." + "0" * 29, "0." + "0" * 30, "0." + "0" * 28 + "1",
                 "00001", "1.50Gi", "1m", "1e031", "1e0000003", 0, 1, -1, 0.5, -0.5, 1.5, 10**15, 1e18, 1e20, 2.5e-3],
    "Registry": ["a", "a:1", "a:", "a:1/b", "a/b:1", "a/b", "A/b", "a//b", "/a", "a/", "a_b", "a" * 255 + "/b", "a" * 253 + "/b", "a" * 300, "http://a"],
    "RepoName": ["a" * 63, "a" * 64, "a/b", ".a", "a.", "A"],
    "SecretName": ["a/b", "a//b", "/a", "a/", "a/../b", "a/./b", "..", ".", "...", "a/...", "é", "a b", "a" * 200, "a" * 201],
    "StorePath": ["/nix/store/" + "e" * 32 + "-a", "/nix/store/" + "a" * 31 + "-a", "/nix/store/" + "0" * 32 + "-", "/nix/store/" + "0" * 32 + "-a/b",
                  "/nix/store/" + "0" * 32 + "-" + "a" * 211, "/nix/store/" + "0" * 32 + "-" + "a" * 212, "/nix/store/" + "0" * 32 + "-a-b_c.d+e?f=g"],
    "TierName": ["a" * 63, "a" * 64, "1", "a-", "A", "a.b"],
}
OTHER_KINDS = [None, True, 0, 7, 1.5, "", "text", [], ["a"], {}, {"a": 1}]
ALPHABET = list("aZ09-_./:@[]*~$%# \\\"'é") + ["\n", "\t", "\u007f", "\u0085", "\u00a0"]
MUTATIONS = 80


class Schema:
    """The JSON Schema with its references followed."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.root = json.load(file)
        self.definitions = self.root["$defs"]
        self.patterns = {value["pattern"]: name for name, value in reversed(self.definitions.items()) if "pattern" in value}

    def kind(self, node):
        """A type in words, as options.nix writes it, and the definition that it refers to."""
        if "anyOf" in node:
            inner = next(choice for choice in node["anyOf"] if choice.get("type") != "null")
            name, found = self.kind(inner)
            return f"nullOr {name}", found
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            found = self.definitions[name]
            return ("set" if "properties" in found else name), found
        if isinstance(node["type"], list):
            return f"nullOr {node['type'][0]}", node
        if node["type"] == "array":
            return f"listOf {self.kind(node['items'])[0]}", node
        if node["type"] == "object" and "patternProperties" in node:
            (pattern, values), = node["patternProperties"].items()
            return f"{pattern} to {self.kind(values)[0]}", node
        if node["type"] == "object" and "properties" not in node:
            return f"any to {self.kind(node['additionalProperties'])[0]}", node
        return ("set" if node["type"] == "object" else node["type"]), node

    def options(self, node=None, path=""):
        """(path, kind, node, definition) of every option; a set of options alone is none."""
        for name, option in (node or self.root)["properties"].items():
            at = f"{path}.{name}" if path else name
            kind, found = self.kind(option)
            if kind == "set":
                yield from self.options(found, at)
                continue
            yield at, kind, option, found
            yield from self.elements(found, kind, at)

    def elements(self, node, kind, at):
        inner = node
        if "items" in node:
            inner, at = self.kind(node["items"])[1], f"{at}.*"
        elif "patternProperties" in node:
            (_, values), = node["patternProperties"].items()
            inner, at = self.kind(values)[1], f"{at}.*"
        if "properties" in inner and (inner is not node or kind == "nullOr set"):
            yield from self.options(inner, at)

    def example(self, name):
        definition = self.definitions[name]
        if "examples" in definition:
            return definition["examples"][0]
        return definition["oneOf"][0]["const"] if "oneOf" in definition else definition["minimum"]


def filled(value):
    """A default without what is empty in it: Rust writes every field, Nix only what was written."""
    if isinstance(value, dict):
        inner = {key: filled(one) for key, one in value.items()}
        return {key: one for key, one in inner.items() if one not in (None, {}, [])}
    return [filled(one) for one in value] if isinstance(value, list) else value


def compare_options(schema_path, options_path):
    schema = Schema(schema_path)
    with open(options_path, encoding="utf-8") as file:
        nix = {option["path"]: option for option in json.load(file)}
    rust = {path: (kind, option, found) for path, kind, option, found in schema.options()}
    for path in sorted(rust.keys() - nix.keys()):
        yield f"{path} is an option of the Rust model and none of nix/options.nix"
    for path in sorted(nix.keys() - rust.keys()):
        yield f"{path} is an option of nix/options.nix and none of the Rust model"
    for path in sorted(rust.keys() & nix.keys()):
        kind, option, found = rust[path]
        declared = nix[path]
        kinds = kind.split(" to ")
        key = declared["kind"].split(" to ")[0]
        if len(kinds) == 2 and kinds[0] != "any":
            wanted = schema.definitions.get(key, {}).get("pattern")
            # A name that stands only before values is known by its pattern alone; `verdicts` looks at it closely.
            if wanted is not None and wanted != kinds[0] or wanted is None and key not in KEYS:
                yield f"{path}: names are {kinds[0]} in Rust and {key} in Nix"
            kind = f"{key} to {kinds[1]}"
        if kind != declared["kind"]:
            yield f"{path} is {kind} in Rust and {declared['kind']} in Nix"
        if ("default" in option) != ("default" in declared):
            yield f"{path} has a default in one of Rust and Nix only"
        elif "default" in option and filled(option["default"]) != filled(declared["default"]):
            yield f"{path} defaults to {option['default']} in Rust and to {declared['default']} in Nix"
        for bound in ("minimum", "maximum"):
            if kind.split()[-1] != "Quantity" and found.get(bound) != declared.get(bound):
                yield f"{path} has the {bound} {found.get(bound)} in Rust and {declared.get(bound)} in Nix"
        if "oneOf" in found and [choice["const"] for choice in found["oneOf"]] != declared.get("values"):
            yield f"{path} has other values in Rust than {declared.get('values')}"


def value_types(schema):
    """Where a value of each type stands: its name in Rust, and the path of the first option of that type."""
    places = dict(KEYS)
    for path, kind, _, _ in schema.options():
        words = kind.split()
        name = words[-1]
        if name in schema.definitions and name not in places:
            places[name] = path + (".*" if words[0] == "listOf" or " to " in kind else "")
    return dict(sorted(places.items()))


def samples(schema_path):
    schema = Schema(schema_path)
    chance = random.Random(6)
    for name in value_types(schema):
        if name in KEY_EXAMPLES:
            examples = [KEY_EXAMPLES[name]]
        else:
            examples = schema.definitions[name].get("examples") or [schema.example(name)]
        values = list(examples) + EDGES.get(name, [])
        definition = schema.definitions.get(name, {})
        if definition.get("type") == "integer":
            values += [definition["minimum"] - 1, definition["maximum"], definition["maximum"] + 1, -1, 2**40, 1.0, "1"]
        values += [choice["const"] for choice in definition.get("oneOf", [])]
        texts = [value for value in values if isinstance(value, str) and 0 < len(value) < 100]
        values += [mutated(chance.choice(texts), chance) for _ in range(MUTATIONS if texts else 0)]
        if name not in KEYS:
            values += OTHER_KINDS
        for value in values:
            # A name of an attribute is text; and what is not ASCII in a JID, or in its xn-- form, is the renderer's alone to judge.
            if name == "BareJid" and isinstance(value, str) and (not value.isascii() or "xn--" in value.lower()):
                continue
            yield {"type": name, "value": value}


def mutated(text, chance):
    at = chance.randrange(len(text) + 1)
    kept = chance.choice([at, at, at + 1])
    return text[:at] + chance.choice(ALPHABET + [""]) + text[kept:]


def town_with(schema, path, value):
    """A town in which this value stands at this path; a `*` at the end stands for the value, or for its name."""
    town = {"domain": "6bit.com"}
    node, schema_node, place = town, schema.root, path.split(".")
    for index, name in enumerate(place):
        last = index == len(place) - 1
        if name == "*":
            inner = schema_node.get("items") or next(iter(schema_node["patternProperties"].values()))
            key = None if "items" in schema_node else "a"
        else:
            inner, key = schema_node["properties"][name], name
        kind, found = schema.kind(inner)
        if last:
            entry = value
        else:
            entry = [] if "items" in found else required(schema, found)
        if key is None:
            node.append(entry)
        else:
            node[key] = entry
        node, schema_node = entry, found
    return town


def required(schema, node):
    return {name: schema.example(schema.kind(node["properties"][name])[0]) if "$ref" in node["properties"][name] else "text"
            for name in node.get("required", [])}


def town_with_key(schema, path, key):
    """A town in which this is a name at this path, with what has to stand there."""
    town = town_with(schema, path, None)
    node = town
    for name in path.split(".")[:-1]:
        node = node["a" if name == "*" else name]
    schema_node = schema.root
    for name in path.split("."):
        inner = next(iter(schema_node["patternProperties"].values())) if name == "*" else schema_node["properties"][name]
        kind, schema_node = schema.kind(inner)
    del node["a"]
    node[key] = schema.example(kind) if kind in schema.definitions else required(schema, schema_node)
    return town


def rust_verdicts(schema_path, samples_path, renderer):
    schema = Schema(schema_path)
    places = value_types(schema)
    with open(samples_path, encoding="utf-8") as file:
        all_samples = json.load(file)

    def verdict(sample):
        place = places[sample["type"]]
        make = town_with_key if sample["type"] in KEYS else town_with
        town = json.dumps(make(schema, place, sample["value"]))
        done = subprocess.run([renderer, "--from-json", "-", "--allow-empty"], input=town, capture_output=True, text=True, check=False)
        # What a single value is refused with; rules on the whole town read otherwise.
        refused = any(words in done.stderr for words in ("malformed option", "malformed name", "lacks a required option"))
        if done.returncode not in (0, 1) or "unknown option" in done.stderr or "is not a town" in done.stderr:
            raise SystemExit(f"{sample} at {place} was not judged: {done.stderr}")
        return not refused

    # Null stands for "unset" where an option takes it, and is judged by the option and not by its type.
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(verdict, all_samples))


def compare_verdicts(samples_path, rust_path, nix_path):
    loaded = []
    for path in (samples_path, rust_path, nix_path):
        with open(path, encoding="utf-8") as file:
            loaded.append(json.load(file))
    counts = {True: 0, False: 0}
    for sample, rust, nix in zip(*loaded, strict=True):
        counts[rust] += 1
        if rust != nix:
            says = {True: "takes", False: "refuses"}
            yield f"{sample['type']}: Rust {says[rust]} {json.dumps(sample['value'])}, Nix {says[nix]} it"
    if min(counts.values()) < 300:
        yield f"only {counts} samples were taken and refused: this compares nothing"


def main(arguments):
    match arguments:
        case ["options", schema, options]:
            findings = list(compare_options(schema, options))
        case ["samples", schema]:
            print(json.dumps([sample for sample in samples(schema) if sample["value"] is not None]))
            return 0
        case ["rust", schema, sample_file, renderer]:
            print(json.dumps(rust_verdicts(schema, sample_file, renderer)))
            return 0
        case ["verdicts", sample_file, rust, nix]:
            findings = list(compare_verdicts(sample_file, rust, nix))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
