"""Shows that tools/validate-schemas fails where it should: one valid manifest, and the ways of spoiling it."""

import contextlib
import io
import tempfile
from pathlib import Path

VALID = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: nuketown-ada
  labels:
    app.kubernetes.io/name: ada
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: ada
  template:
    metadata:
      labels:
        app.kubernetes.io/name: ada
    spec:
      automountServiceAccountToken: false
      containers:
      - name: agent
        image: ghcr.io/joshperry/nuketown/nuketown-agent:0.1.0
        resources:
          limits:
            cpu: '2'
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: nuketown-ada
spec:
  anything: goes
"""

# What is replaced in the valid manifest, by what, and what must then be found.
SPOILED = {
    "a misspelt field": ("replicas: 1", "replica: 1", "'replica' was unexpected"),
    "a misspelt field deep inside": ("image: ghcr", "imagee: ghcr", "'imagee' was unexpected"),
    "a wrong type": ("replicas: 1", "replicas: one", "'one' is not of type"),
    "a boolean that should be a string": ("app.kubernetes.io/name: ada\nspec", "app.kubernetes.io/name: yes\nspec", "True is not of type"),
    "a date that should be a string": ("app.kubernetes.io/name: ada\nspec", "app.kubernetes.io/name: 2026-11-24\nspec", "is not of type"),
    "a required field that is missing": ("      - name: agent\n        image", "      - image", "'name' is a required property"),
    "an unknown kind": ("kind: Deployment", "kind: Deploiment", "a kind that this version does not know"),
    "a kind that is part of an object": ("kind: Deployment", "kind: DeploymentSpec", "a kind that this version does not know"),
    "a kind in the wrong case": ("kind: Deployment", "kind: deployment", "'deployment' is not one of"),
    "an unknown API group": ("apiVersion: apps/v1", "apiVersion: app/v1", "a kind that this version does not know"),
    "a retired API version": ("apiVersion: apps/v1", "apiVersion: apps/v1beta1", "a kind that this version does not know"),
    "a custom resource that is not listed": ("kind: CiliumNetworkPolicy", "kind: CiliumEnvoyConfig", "a kind that this version does not know"),
    "a null": ("replicas: 1", "replicas: null", "spec.replicas: is null"),
    "a null in a custom resource": ("anything: goes", "anything:", "spec.anything: is null"),
    "a key that stands twice": ("replicas: 1", "replicas: 1\n  replicas: 1", "'replicas' stands twice"),
    "no name": ("  name: nuketown-ada\n  labels", "  labels", "has no metadata.name"),
    "a document that is no object": ("kind: Deployment\n", "", "is no Kubernetes object"),
    "an empty document": ("---\n", "---\n---\n", "is no Kubernetes object"),
    "broken YAML": ("replicas: 1", "replicas: [1", "while parsing"),
}

HEADER = "---\nsource: lib/tests/snapshots.rs\nexpression: yaml\n---\n"


def self_test(tool):
    """Runs every case and prints how many passed; the exit status says whether all did."""
    failures = []
    count = 0

    def case(name, holds, shown=""):
        nonlocal count
        count += 1
        if not holds:
            failures.append(f"{name}: {shown}")

    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)

        def findings(text, name="case.yaml"):
            file = directory / name
            file.write_text(text, encoding="utf-8")
            return tool.validate([file]).findings

        for name, text in {"case.yaml": VALID, "case.snap": HEADER + VALID, "start.snap": HEADER + "---\n" + VALID}.items():
            case(f"the valid manifest passes as {name}", not findings(text, name), findings(text, name))

        for name, (before, after, expected) in SPOILED.items():
            case(f"{name} can be made", VALID.count(before) == 1, f"{before!r} is not there once")
            found = findings(VALID.replace(before, after))
            case(f"{name} is found", any(expected in finding for finding in found), found)
            if "Kubernetes 1." in "".join(found):
                for version in tool.VERSIONS:
                    case(f"{name} is found in {version}", any(f"in Kubernetes {version}: " in one for one in found), found)

        for name, text in {"empty.yaml": "", "comment.yaml": "# nothing\n", "empty.snap": HEADER}.items():
            case(f"{name} is refused", any("holds no object" in finding for finding in findings(text, name)))
        case("a snapshot without a header is refused", findings("kind: Deployment\n", "bare.snap"))
        case("a missing file is refused", tool.validate([directory / "absent.yaml"]).findings)
        (directory / "nothing").mkdir()
        case("an empty directory is refused", tool.validate([directory / "nothing"]).findings)

        # A field that came with 1.29 (KEP-3960) tells the versions apart.
        sleeping = VALID.replace("        resources:", "        lifecycle: {preStop: {sleep: {seconds: 1}}}\n        resources:")
        found = findings(sleeping)
        case("a field that is too new is found in the old version only", len(found) == 1 and "in Kubernetes 1.28: " in found[0], found)

        (directory / "case.yaml").write_text(VALID, encoding="utf-8")
        validation = tool.validate([directory / "case.yaml", directory / "case.yaml"])
        case("an object is validated once", (validation.objects, len(validation.verdicts), validation.skipped) == (4, 1, 2))

    try:
        tool.Validation(["1.3"])
        case("a version that is not installed is refused", False)
    except tool.SetUpError:
        case("a version that is not installed is refused", True)

    with contextlib.redirect_stderr(io.StringIO()):
        case("no file is a usage error", tool.main([]) == 2)

    for failure in failures:
        print(failure)
    print(f"validate-schemas: {count - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0
