"""A compare-and-swap that somebody else wins once, or always (F79); a large removal (F113); many
objects (F133)."""

import re
import sys

import pytest

from reconciler.engine import apply_plan
from reconciler.objects.outcome import RefusalCause
from tests import flow, support
from tests.cli.conftest import Repo


def tried(tree, place, written, times):
    """One reconcile in which the first `times` writes of a name are refused as stale; the report
    and how often that was asked for."""
    left, asked = [times], []

    def before(verb, target):
        if verb in flow.WRITES and target.endswith(written):
            asked.append(target)
            if left[0]:
                left[0] -= 1
                raise flow.refuse(RefusalCause.STALE, "the object has been modified")

    def look():
        return support.reviewed(tree, place.cluster, place.clock.now())

    place.cluster.before = before
    settings = apply_plan.ApplySettings(timeout=600.0, again=look)
    report = support.Ran(
        apply_plan.reconcile(look(), place.cluster, place.clock, support.Silent(), settings)
    )
    place.cluster.before = None
    return report, len(asked)


@pytest.mark.parametrize("written", ["one.web.inventory", "one.web.rollout"])
def test_a_swap_lost_once_is_decided_anew_and_won(written):
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    report, asked = tried(flow.pointing(flow.ROUTED, "v2"), place, written, 1)
    assert report.exit_code == 0, flow.problems(report)
    assert flow.results(report)["prod/one/web"].status == "done"
    assert asked > 1


@pytest.mark.parametrize("written", ["one.web.inventory", "one.web.rollout"])
def test_a_swap_lost_twenty_times_is_given_up_after_five(written):
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    report, asked = tried(flow.pointing(flow.ROUTED, "v2"), place, written, 20)
    assert (report.exit_code, asked) == (6, 5)
    assert flow.results(report)["prod/one/web"].status == "lost"
    assert "first: the object has been modified" in str(flow.problems(report))
    flow.settled(flow.pointing(flow.ROUTED, "v2"), place, runs=60)


# -- a large removal -------------------------------------------------------------------------------


def hundred(names):
    maps = "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n:03}}}\ndata: {{a: b}}\n"
        for n in names
    )
    return support.small().but(
        {
            "environments/prod/one/web.yaml": "manifests: [maps.yaml]\n",
            "models/web/maps.yaml": maps,
        }
    )


def test_sixty_of_a_hundred_objects_need_an_approval_of_exactly_these(tmp_path):
    repo = Repo(tmp_path, hundred(range(100)).files)
    code, out = repo.live("reconcile", "--once")
    assert code == 0, out
    repo.write("models/web/maps.yaml", hundred(range(40)).files["models/web/maps.yaml"])
    repo.commit()
    code, out = repo.live("reconcile", "--once")
    assert code == 4, out
    assert "deletes 60 of" in out
    approval = re.search(r"--approve-prune ([0-9a-f]{12})", out)[1]
    code, out = repo.live("plan", "--all")
    assert all(f"m{n:03}" in out for n in range(40, 100)), out
    code, out = repo.live("reconcile", "--once", "--approve-prune", "0" * 12)
    assert (code, "60 deleted" in out) == (4, False), out
    # One more object gone: another list, another hash.
    repo.write("models/web/maps.yaml", hundred(range(39)).files["models/web/maps.yaml"])
    repo.commit()
    code, out = repo.live("reconcile", "--once", "--approve-prune", approval)
    assert code == 4, out
    repo.write("models/web/maps.yaml", hundred(range(40)).files["models/web/maps.yaml"])
    repo.commit()
    code, out = repo.live("reconcile", "--once", "--approve-prune", approval)
    assert (code, "60 deleted" in out) == (0, True), out


# -- many objects ----------------------------------------------------------------------------------

_MANY = """
from reconciler.objects.key import ObjectKey
from reconciler.plan import records
from reconciler.plan.inventory import Inventory, Member
from reconciler.unit import UnitId

members = tuple(
    Member(ObjectKey("", "ConfigMap", "ml-one", f"map-{n:05}"), "v1", f"{n:036}", "m" * 16, "l" * 24)
    for n in range(20_000)
)
stored = records.to_objects(Inventory(UnitId.parse("prod/one/web"), members))
import orjson
sizes = [len(orjson.dumps(body)) for body in (stored.parent, *stored.shards)]
found = records.from_body(stored.parent, {b["metadata"]["name"]: b for b in stored.shards})
assert found.members == members
# Not ru_maxrss: it begins with the size of the process that started this one.
with open("/proc/self/status") as status:
    (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
print(len(stored.shards), max(sizes), int(peak) * 1024)
"""


def test_twenty_thousand_objects_fit_into_shards_and_little_memory():
    import subprocess

    done = subprocess.run([sys.executable, "-c", _MANY], capture_output=True, text=True, check=True)
    shards, largest, memory = map(int, done.stdout.split())
    assert shards > 1
    assert largest < 900_000
    assert memory < 512 * 1024 * 1024
