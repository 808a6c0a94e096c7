"""The rights that `rbac` prints are enough, none too many, and a planner's never write (F25, F71)."""

import pytest

from reconciler.objects.key import ObjectKey, key_of
from reconciler.objects.outcome import Done, RefusalCause
from tests.cluster.staging import Stage, refused, rights_of, rules_of, without
from tests.controlplane.audit import writes
from tests.controlplane.fixtures import client, eventually


@pytest.fixture(scope="module")
def admin(control_plane):
    made = client(control_plane)
    yield made
    made.close()


@pytest.fixture
def stage(tmp_path, control_plane, admin, audit):
    made = Stage(tmp_path, control_plane, admin, audit)
    yield made
    made.withdraw()


# -- a writing run ---------------------------------------------------------------------------------


def test_a_life_of_an_app_goes_by_the_generated_rights(stage):
    documents = stage.documents("reconcile", "runner")
    stage.grant(documents, "runner")
    codes, entries = stage.life("runner")
    assert refused(entries) == []
    assert [code for code, _ in codes] == [6, 0, 0, 6, 0], codes
    gone = (ObjectKey("batch", "CronJob", stage.space, "nightly"),
            ObjectKey("", "ConfigMap", stage.space, "settings"))  # fmt: skip
    assert not any(stage.admin.get(key).is_present for key in gone)

    # Each rule's verbs are asked for, of one of its kinds at least.
    used = {(e.namespace, e.group, e.resource, e.verb) for e in entries}
    # RBAC asks for `create` in an apply of what is new, and the log says patch.
    used |= {(*rest, "create") for *rest, verb in used if verb == "patch"}
    idle = []
    for at, number in rules_of(documents):
        space, rule = documents[at]["metadata"].get("namespace", ""), documents[at]["rules"][number]
        asked = {v for n, g, r, v in used
                 if g in rule["apiGroups"] and r in rule["resources"] and space in ("", n)}  # fmt: skip
        idle += [(space, rule["resources"], v) for v in rule["verbs"] if v not in asked]
    assert idle == [], idle


def test_each_rule_is_needed(tmp_path, control_plane, admin, audit):
    probe = Stage(tmp_path, control_plane, admin, audit)
    total = len(rules_of(probe.documents("reconcile", "runner")))
    assert total > 8
    needless = []
    for index in range(total):
        stage = Stage(tmp_path, control_plane, admin, audit)
        documents = stage.documents("reconcile", "runner")
        less, removed = without(documents, *rules_of(documents)[index])
        stage.grant(less, "runner")
        try:
            if not refused(stage.life("runner")[1]):
                needless.append(removed)
        finally:
            stage.withdraw()
            assert eventually(
                lambda less=less, stage=stage: (
                    not any(stage.may("runner", *right) for right in rights_of(less))
                )
            )
    assert needless == []


def test_nothing_is_given_by_wildcard_and_nothing_that_leads_further(stage):
    for purpose in ("reconcile", "plan", "read-only"):
        for right in rights_of(stage.documents(purpose, "runner")):
            assert "*" not in right, right
            assert right[-1] not in ("escalate", "bind", "deletecollection"), right
            assert not (right[2] == "namespaces" and right[-1] in ("delete", "create")) or (
                purpose == "plan" and right[-1] == "create"
            )


# -- another identity ------------------------------------------------------------------------------


def test_a_group_that_applies_as_somebody_else_has_two_sets_of_rights(
    tmp_path, control_plane, admin, audit
):
    more = {
        "environments/{}/one/group.yaml": (
            "group: {namespace: ml-tenant, serviceAccount: models, applyAs: tenant}\n"
        )
    }
    stage = Stage(tmp_path, control_plane, admin, audit, more)
    stage.__class__ = type("Tenants", (Stage,), {"space": "ml-tenant"})
    documents = stage.documents("reconcile", "runner")
    binding = next(d for d in documents if d["metadata"]["name"] == f"{stage.env}-writer-1")
    assert binding["metadata"]["namespace"] == "ml-tenant"
    stage.grant([d for d in documents if not d["metadata"]["name"].endswith("-writer-1")], "runner")
    for body in documents:
        if body["metadata"]["name"].endswith("-writer-1"):
            assert isinstance(stage.admin.apply(body), Done)
            stage.held.append(key_of(body))
    own = [r for d in documents if not d["metadata"]["name"].endswith("-writer-1")
           for r in rights_of([d]) if r[0] == "ml-tenant"]  # fmt: skip
    assert {r[-1] for r in own if r[1:3] == ("apps", "deployments")} == {"get"}
    assert ("", "", "users", "tenant", "impersonate") in list(rights_of(documents))
    mark = audit.mark()
    codes, entries = stage.life("runner")
    theirs = [e for e in audit.since(mark) if e.user == "tenant"]
    assert refused(entries) == refused(theirs) == []
    assert [code for code, _ in codes] == [6, 0, 0, 6, 0], codes
    written = {e.resource for e in writes(theirs)}
    assert written >= {"deployments", "cronjobs", "configmaps"}
    stage.withdraw()


# -- those who only look ---------------------------------------------------------------------------


def test_a_planner_asks_by_dry_run_and_cannot_write(stage):
    stage.grant(stage.documents("plan", "planner"), "planner")
    planner = client(stage.plane, "planner")
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": stage.space},
        "data": {"a": "1"},
    }
    # The policy is in force a moment after it was made.
    refusal = eventually(lambda: _refused_by_policy(planner, body, stage))
    assert refusal.code == 403
    assert "may only send dry-runs" in refusal.message
    assert isinstance(planner.dry_run(body), Done)
    planner.close()
    mark = stage.audit.mark()
    code, out = stage.typed("planner", "plan", "--exit-code")
    assert (code, "Deployment/web-v1" in out) == (2, True), out
    entries = [e for e in stage.audit.since(mark) if e.user == "planner"]
    assert refused(entries) == writes(entries) == []
    assert any(e.dry for e in entries)
    # And the very right, on the server's own word without our client in between.
    code, out = stage.typed("planner", "reconcile", "--once", "--no-lease", "--timeout", "0")
    assert code != 0
    assert not stage.admin.get(ObjectKey("apps", "Deployment", stage.space, "web-v1")).is_present, (
        out
    )


def _refused_by_policy(planner, body, stage):
    """The refusal of a real apply; what slipped through before the policy was in force is undone."""
    outcome = planner.apply(body)
    if isinstance(outcome, Done):
        key = key_of(body)
        stage.admin.delete(key, uid=stage.admin.get(key).uid)
        return None
    return outcome if outcome.refusal in (RefusalCause.FORBIDDEN, RefusalCause.INVALID) else None


def test_a_planner_may_ask_about_a_group_that_a_proposal_adds(stage):
    stage.grant(stage.documents("plan", "planner"), "planner")
    stage.repo.write(f"environments/{stage.env}/two/group.yaml",
                     f"group: {{namespace: {stage.space}-two}}\n")  # fmt: skip
    stage.repo.write(f"environments/{stage.env}/two/web.yaml", "")
    code, out = stage.typed("planner", "plan", "--exit-code")
    assert (code, f"Namespace/{stage.space}-two" in out) == (2, True), out


def test_a_reader_plans_without_a_right_to_write_anything(stage):
    documents = stage.documents("read-only", "viewer")
    assert {right[-1] for right in rights_of(documents)} == {"get", "list"}
    stage.grant(documents, "viewer")
    mark = stage.audit.mark()
    code, out = stage.typed("viewer", "plan", "--read-only", "--exit-code")
    assert (code, "Deployment/web-v1" in out) == (2, True), out
    code, out = stage.typed("viewer", "status")
    assert code == 0, out
    entries = [e for e in stage.audit.since(mark) if e.user == "viewer"]
    assert {e.verb for e in entries} <= {"get", "list"}
    assert refused(entries) == []
