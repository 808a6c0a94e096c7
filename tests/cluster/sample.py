"""What the sample config, and the config that sets every option, come to."""

import functools
import json
import re

from reconciler.objects.draft import seal
from reconciler.objects.key import GroupKind, split_version
from tests.everything import everything
from tests.support import drawn, sample


@functools.cache
def bodies():
    """(id, body) of every drawn object, namespaces first, then what the pipelines of it make."""
    made, jobs = [], []
    for name, tree in (("sample", sample()), ("everything", everything())):
        drafts = drawn(tree)
        for unit, key in sorted(drafts, key=lambda at: (at[1].kind != "Namespace", at)):
            body = seal(drafts[unit, key]).body
            made.append((f"{name} {unit} {key}", body))
            for variable, job in _jobs(body):
                job["metadata"] |= {"name": "job", "namespace": key.namespace}
                jobs.append((f"{name} {unit} {variable}", job))
    return (*made, *jobs)


def _jobs(body):
    for template in (body.get("spec") or {}).get("templates", []):
        for variable in template.get("container", {}).get("env", []):
            if variable["name"].startswith("MANIFEST_"):
                # Its step fills in what is known when it runs.
                yield variable["name"], json.loads(re.sub(r"{{.*?}}", "x", variable["value"]))


def kind_of(body):
    return GroupKind(split_version(body["apiVersion"])[0], body["kind"])


def custom_kinds():
    """The kinds of it that need a CRD: a built-in group with a dot is not drawn."""
    return {kind for _, body in bodies() if "." in (kind := kind_of(body)).group}
