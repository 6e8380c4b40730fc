#!/usr/bin/env python3
"""Tests of what adds the sidecar to Argo CD: the kustomize component, the Helm values, plugin.yaml and the Containerfile.

The patch is merged here into a repo-server as Argo CD 3.6 has it (by the two rules that it needs of Kubernetes' strategic
merge: maps are merged, and lists of containers and volumes by name), and by `kubectl kustomize` where kubectl is installed.
The result is held to the Kubernetes API schemas by tools/validate-schemas. No cluster takes part.
"""

import copy
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parent.parent
PROJECT = FOLDER.parent
COMPONENT = FOLDER / "kustomize"

# The repo-server of Argo CD 3.6 as far as a sidecar has to do with it: names, mounts and volumes.
REPO_SERVER = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-repo-server
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: argocd-repo-server}
  template:
    metadata:
      labels: {app.kubernetes.io/name: argocd-repo-server}
    spec:
      automountServiceAccountToken: false
      serviceAccountName: argocd-repo-server
      containers:
      - name: argocd-repo-server
        image: quay.io/argoproj/argocd:v3.6.0
        args: [/usr/local/bin/argocd-repo-server]
        volumeMounts:
        - {name: ssh-known-hosts, mountPath: /app/config/ssh}
        - {name: tls-certs, mountPath: /app/config/tls}
        - {name: gpg-keys, mountPath: /app/config/gpg/source}
        - {name: gpg-keyring, mountPath: /app/config/gpg/keys}
        - {name: argocd-repo-server-tls, mountPath: /app/config/reposerver/tls}
        - {name: tmp, mountPath: /tmp}
        - {name: helm-working-dir, mountPath: /helm-working-dir}
        - {name: plugins, mountPath: /home/argocd/cmp-server/plugins}
      initContainers:
      - name: copyutil
        image: quay.io/argoproj/argocd:v3.6.0
        volumeMounts:
        - {name: var-files, mountPath: /var/run/argocd}
      volumes:
      - {name: ssh-known-hosts, configMap: {name: argocd-ssh-known-hosts-cm}}
      - {name: tls-certs, configMap: {name: argocd-tls-certs-cm}}
      - {name: gpg-keys, configMap: {name: argocd-gpg-keys-cm}}
      - {name: gpg-keyring, emptyDir: {}}
      - {name: tmp, emptyDir: {}}
      - {name: helm-working-dir, emptyDir: {}}
      - {name: argocd-repo-server-tls, secret: {secretName: argocd-repo-server-tls, optional: true}}
      - {name: var-files, emptyDir: {}}
      - {name: plugins, emptyDir: {}}
"""
STOCK = yaml.safe_load(REPO_SERVER)
PATCH = yaml.safe_load((COMPONENT / "repo-server.yaml").read_text())
VALUES = yaml.safe_load((FOLDER / "helm/values.yaml").read_text())
PLUGIN = yaml.safe_load((FOLDER / "plugin.yaml").read_text())
CONTAINERFILE = (FOLDER / "Containerfile").read_text()


def merged(base, patch):
    """Kubernetes' strategic merge, as far as the patch needs it."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {key: merged(base[key], patch[key]) if key in base and key in patch else copy.deepcopy({**base, **patch}[key])
                for key in [*base, *(key for key in patch if key not in base)]}
    if isinstance(base, list) and isinstance(patch, list):
        names = {item["name"]: item for item in patch}
        kept = [merged(item, names.pop(item["name"])) if item["name"] in names else item for item in base]
        return kept + list(names.values())
    return patch


def pod(deployment):
    return deployment["spec"]["template"]["spec"]


def sidecar():
    (container,) = pod(PATCH)["containers"]
    return container


def component_matches_the_schemas_of_kubernetes():
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "deployment.yaml"
        file.write_text(yaml.safe_dump(merged(STOCK, PATCH)))
        done = subprocess.run([sys.executable, "-B", PROJECT / "tools/validate-schemas", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def component_adds_one_container_and_changes_no_other():
    result = merged(STOCK, PATCH)
    assert pod(result)["containers"][:-1] == pod(STOCK)["containers"]
    assert pod(result)["containers"][-1] == sidecar()
    assert pod(result)["initContainers"] == pod(STOCK)["initContainers"]
    assert pod(result)["volumes"][:-2] == pod(STOCK)["volumes"]
    stock = {volume["name"] for volume in pod(STOCK)["volumes"]}
    added = [volume["name"] for volume in pod(PATCH)["volumes"]]
    assert not stock.intersection(added), "a volume of Argo CD's is replaced"
    assert all(name.startswith("nuketown-cmp-") for name in added), "the name could be another plugin's"


def kubectl_builds_what_is_merged_here():
    if not shutil.which("kubectl"):
        raise Skipped("kubectl is not installed")
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "repo-server.yaml").write_text(REPO_SERVER)
        shutil.copytree(COMPONENT, Path(directory) / "component")
        (Path(directory) / "kustomization.yaml").write_text("resources: [repo-server.yaml]\ncomponents: [component]\n")
        done = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        built, here = yaml.safe_load(done.stdout), merged(STOCK, PATCH)
        # kustomize puts the patch's containers and volumes first; order has no meaning here.
        for deployment in (built, here):
            for items in ("containers", "volumes"):
                pod(deployment)[items].sort(key=lambda item: item["name"])
        assert built == here


def every_mount_has_a_volume_and_tmp_is_not_the_repo_servers():
    volumes = {volume["name"] for volume in pod(merged(STOCK, PATCH))["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in sidecar()["volumeMounts"]}
    assert set(mounts.values()) <= volumes
    assert mounts["/var/run/argocd"] == "var-files" and mounts["/home/argocd/cmp-server/plugins"] == "plugins"
    repo_server = {mount["name"] for mount in pod(STOCK)["containers"][0]["volumeMounts"]}
    assert mounts["/tmp"] not in repo_server
    cache = next(entry["value"] for entry in sidecar()["env"] if entry["name"] == "NUKETOWN_CACHE_DIR")
    assert Path(cache).parent.as_posix() in mounts, "the cache is on no volume, and the root file system is read-only"


def sidecar_keeps_every_rule_of_the_restricted_standard():
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    assert sidecar()["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 999, "runAsGroup": 999, "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert all("emptyDir" in volume and volume["emptyDir"]["sizeLimit"] for volume in pod(PATCH)["volumes"])
    assert sidecar()["resources"]["limits"]["memory"] and sidecar()["resources"]["requests"]


def sidecar_runs_argo_cds_server_and_is_probed_by_doctor():
    assert sidecar()["command"] == ["/var/run/argocd/argocd-cmp-server"]
    assert sidecar()["startupProbe"]["exec"]["command"] == ["nuketown-cmp", "doctor"]


def helm_values_are_those_of_the_component():
    assert list(VALUES) == ["repoServer"] and sorted(VALUES["repoServer"]) == ["extraContainers", "volumes"]
    assert VALUES["repoServer"]["extraContainers"] == pod(PATCH)["containers"]
    assert VALUES["repoServer"]["volumes"] == pod(PATCH)["volumes"]
    # The chart passes extraContainers through `tpl`.
    assert "{{" not in (FOLDER / "helm/values.yaml").read_text()


def image_is_tagged_with_the_version_of_the_workspace():
    version = re.search(r'^version = "(.*)"$', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert sidecar()["image"].endswith(f"/nuketown-cmp:{version}"), sidecar()["image"]
    assert f"ref=v{version}" in (COMPONENT / "kustomization.yaml").read_text()


def plugin_is_what_argo_cd_reads():
    """The fields of Argo CD's cmpserver/plugin/config.go; an unknown one would be ignored without a word."""
    assert (PLUGIN["apiVersion"], PLUGIN["kind"]) == ("argoproj.io/v1alpha1", "ConfigManagementPlugin")
    assert PLUGIN["metadata"] == {"name": "nuketown"}
    spec = PLUGIN["spec"]
    assert set(spec) == {"generate", "parameters", "preserveFileMode", "provideGitCreds"}, "no version, and no discovery"
    assert spec["generate"] == {"command": ["nuketown-cmp", "generate"]}
    assert spec["preserveFileMode"] is False and spec["provideGitCreds"] is False
    for parameter in spec["parameters"]["static"]:
        assert set(parameter) == {"name", "title", "tooltip", "required", "itemType", "collectionType"}
        assert parameter["collectionType"] in ("string", "array", "map") and parameter["itemType"] == "string"
        assert "Default: " in parameter["tooltip"], parameter["name"]
    names = [parameter["name"] for parameter in spec["parameters"]["static"]]
    assert {"agents", "attr", "preview", "scope"} <= set(names), "`nuketown-render application` sets these"
    assert len(names) == len(set(names))


def containerfile_ends_as_user_999_with_bases_that_can_be_replaced():
    lines = [line for line in CONTAINERFILE.splitlines() if line and not line.startswith("#")]
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert stages == ["${BUILDER}", "${BASE}"]
    assert [line for line in lines if line.startswith("USER ")] == ["USER 999:999"]
    assert 'ENTRYPOINT ["/var/run/argocd/argocd-cmp-server"]' in lines
    for line in lines:
        assert not re.match(r"ADD |.*:latest\b|.*\bsudo\b|.*curl ", line), line
    install = re.search(r"apt-get install (?:-\S+ )*--no-install-recommends ([a-z0-9 -]+) &&", CONTAINERFILE.replace("--yes ", ""))
    assert install[1].split() == ["ca-certificates", "git", "nix-bin"]
    assert "rm -rf /var/lib/apt/lists/*" in CONTAINERFILE


class Skipped(Exception):
    """A test that cannot be run here, and why."""


TESTS = [
    component_matches_the_schemas_of_kubernetes,
    component_adds_one_container_and_changes_no_other,
    kubectl_builds_what_is_merged_here,
    every_mount_has_a_volume_and_tmp_is_not_the_repo_servers,
    sidecar_keeps_every_rule_of_the_restricted_standard,
    sidecar_runs_argo_cds_server_and_is_probed_by_doctor,
    helm_values_are_those_of_the_component,
    image_is_tagged_with_the_version_of_the_workspace,
    plugin_is_what_argo_cd_reads,
    containerfile_ends_as_user_999_with_bases_that_can_be_replaced,
]


def main():
    passed = failed = 0
    for test in TESTS:
        try:
            test()
        except Skipped as why:
            print(f"test {test.__name__} ... not run: {why}")
            continue
        except Exception as error:  # Whatever is raised is a failure of this one test.
            failed += 1
            print(f"test {test.__name__} ... FAILED\n    {type(error).__name__}: {error}")
            continue
        passed += 1
        print(f"test {test.__name__} ... ok")
    print(f"sidecar manifests: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
