"""Reads that lag behind and go back in time (F87), and two runs at once without a lease (F75, F77):
nothing of another's is written, nothing is deleted twice, and the newer commit has the last word."""

import copy

import pytest

from reconciler.apply import effect as effects
from reconciler.engine import apply_plan
from reconciler.objects.outcome import RefusalCause
from reconciler.simulation.cluster import RequestLost
from reconciler.simulation.server import Server
from reconciler.simulation.store import Store
from tests import flow, support
from tests.scenarios import catalogue

pytestmark = pytest.mark.slow

TWO, BUSIER = catalogue.TWO, catalogue.BUSIER
PRUNED = TWO.but({"environments/prod/one/web.yaml": ""})
REMOVED = TWO.but({"environments/prod/one/web.yaml": None})
MAP = flow.key("ConfigMap", "ml-one", "limits")
SERVICE = flow.key("Service", "ml-one", "extra")
EXTRA = flow.key("Deployment", "ml-one", "extra")


def taken_over(place, key):
    """Somebody deletes an object and makes one of that name; the new one."""
    body = place.cluster.server.get(key)
    if body is None:
        body = {"apiVersion": "v1", "kind": key.kind, "data": {"b": "theirs"}}
    else:
        place.cluster.server.delete(key)
    made = {n: body[n] for n in ("apiVersion", "kind", "spec", "data") if n in body}
    made["metadata"] = {"name": key.name, "namespace": key.namespace}
    place.cluster.acting_as("helm").create(made)
    return place.cluster.server.get(key)


def objects(place):
    """What is there beside the program's own state. A history shows in generations."""
    found = {key.full(): flow.live(place, *key[1:]) for key in flow.ours(place)}
    for body in found.values():
        body["metadata"].pop("generation", None)
        body.get("status", {}).pop("observedGeneration", None)
    return {name: flow._bare(body) for name, body in found.items()}


# -- lagging reads ---------------------------------------------------------------------------------


class Lagging:
    """The server behind a replica: reads come from `shown`, one of the states kept, while it is
    set; all else goes to the newest."""

    def __init__(self, place):
        self._server = place.cluster.server
        self.states = []
        self.shown = None
        self._server.changed.append(self._keep)
        place.cluster.server = self

    def _keep(self, *_):
        self.states.append(copy.deepcopy(self._server.store._objects))

    def __getattr__(self, name):
        return getattr(self._server, name)

    def back(self, revisions):
        """Reads are of so many revisions ago; 0 is now."""
        self.shown = None
        if revisions:
            store = Store()
            store._objects = copy.deepcopy(self.states[-1 - revisions])
            self.shown = Server(store, self._server.clock, self._server.name, self._server.kinds)

    def get(self, key):
        return (self.shown or self._server).get(key)

    def list(self, *args):
        return (self.shown or self._server).list(*args)


def lagged():
    place = flow.world()
    replica = Lagging(place)
    flow.settled(TWO, place)
    return place, replica


@pytest.mark.parametrize(
    "wanted", [BUSIER, PRUNED, REMOVED], ids=["an update", "a prune", "a removal"]
)
def test_a_run_that_reads_the_past_touches_nothing_of_another_and_the_next_converges(wanted):
    clean, _ = lagged()
    foreign = {key: taken_over(clean, key) for key in (MAP, SERVICE)}
    if wanted is BUSIER:
        # What is wanted and another's by now is held, in the past and in the present.
        assert flow.run(wanted, clean).exit_code == 4
    else:
        flow.settled(wanted, clean)
    total = len(lagged()[1].states)
    assert total > 20
    for revisions in range(1, total, 2):
        place, replica = lagged()
        foreign = {key: taken_over(place, key) for key in (MAP, SERVICE)}
        ledger = flow.Ledger(place)
        replica.back(revisions)
        flow.run(wanted, place, timeout=10)
        # Further back still, as after a reconnect to another replica.
        replica.back(min(revisions + 5, len(replica.states) - 1))
        flow.run(wanted, place, timeout=10)
        replica.back(0)
        for _ in range(2):
            flow.minutes(place, 1)
            flow.run(wanted, place)
        for key, body in foreign.items():
            assert place.cluster.server.get(key) == body, (revisions, key)
        assert flow.orphans(place) == set(), revisions
        assert objects(place) == objects(clean), revisions
        twice = {slot: n for slot, n in ledger.counts.items() if n > 1 and ".inv" not in slot[1]}
        assert not twice, revisions


# -- what is another's by the time of the write ----------------------------------------------------


def at(kind, key, happens):
    """A `before` that lets something happen ahead of the first effect of a kind on an object."""
    done = []

    def before(effect):
        about = effect.key if isinstance(effect, effects.Read) else getattr(effect, "change", None)
        about = getattr(about, "key", about)
        if not done and isinstance(effect, kind) and about == key:
            done.append(happens())

    return before, done


def test_a_delete_leaves_what_another_made_under_the_name_meanwhile():
    place = flow.world()
    flow.settled(TWO, place)
    before, done = at(effects.Delete, MAP, lambda: taken_over(place, MAP))
    # One refused delete, one look: no longer ours, and nobody is bothered with it.
    report = flow.run(PRUNED, place, before=before)
    assert (report.exit_code, flow.problems(report)) == (0, [])
    assert [place.cluster.server.get(MAP)] == done
    assert flow.recorded(place)["prod/one/web"].find(MAP) is None
    flow.settled(PRUNED, place)
    assert [place.cluster.server.get(MAP)] == done


def test_what_another_made_since_it_was_seen_to_be_absent_is_not_written():
    place = flow.world()
    flow.settled(PRUNED, place)
    before, done = at(effects.Apply, MAP, lambda: taken_over(place, MAP))
    assert flow.run(TWO, place, before=before).exit_code == 6
    assert [place.cluster.server.get(MAP)] == done
    assert flow.run(TWO, place).exit_code == 4
    assert [place.cluster.server.get(MAP)] == done


def test_a_replace_leaves_what_another_made_under_the_name_meanwhile():
    scenario = catalogue.SCENARIOS["a declared replace"]
    place = flow.world()
    flow.settled(scenario.before, place)
    before, done = at(effects.Read, EXTRA, lambda: taken_over(place, EXTRA))
    report = flow.run(scenario.after, place, before=before)
    assert report.exit_code == 6
    assert "not replaced: another object now has the name" in str(flow.problems(report))
    assert place.cluster.server.get(EXTRA)["metadata"]["uid"] == done[0]["metadata"]["uid"]


def test_an_object_that_cannot_be_read_again_stays_recorded():
    place = flow.world()
    flow.settled(TWO, place)

    def before(verb, target):
        if target == SERVICE.full() and verb == "delete":
            raise flow.refuse(RefusalCause.STALE)
        if target == SERVICE.full() and verb == "get":
            raise RequestLost(done=False)

    place.cluster.before = before
    assert flow.run(PRUNED, place).exit_code == 6
    assert flow.recorded(place)["prod/one/web"].find(SERVICE) is not None
    place.cluster.before = None
    flow.settled(PRUNED, place)
    assert place.cluster.server.get(SERVICE) is None


# -- two runs at once ------------------------------------------------------------------------------


class Race:
    """`slower` is paused ahead of its n-th effect until `faster` is through, if it gets so far
    (`passed`). `log` has the requests of the slower one after that; `checked` says that it had
    already made sure that nobody else had written the inventory."""

    def __init__(self, begin, slower, faster, number, permit=None):
        self.place = flow.world()
        if begin is not None:
            flow.settled(begin, self.place)
        self.ledger = flow.Ledger(self.place)
        self.passed = self.checked = False
        self.left, self.faster = number, faster
        self.stands = len(self.place.cluster.log)
        reviewed = support.reviewed(slower, self.place.cluster, self.place.clock.now())
        settings = apply_plan.ApplySettings(
            before=self._before, permit=lambda _: GONE if self.passed and permit else ""
        )
        apply_plan.reconcile(
            reviewed, self.place.cluster, self.place.clock, support.Silent(), settings
        )

    @property
    def log(self):
        return self.place.cluster.log[self.stands :]

    def _before(self, effect):
        if self.left == 0:
            flow.run(self.faster, self.place)
            self.passed, self.stands = True, len(self.place.cluster.log)
        self.left -= 1
        looks = isinstance(effect, effects.Read) and effect.key.name.endswith(".inventory")
        self.checked |= looks and not self.passed


GONE = "the lease ran out"
RACES = {
    "one commit, first apply": (None, TWO, TWO),
    "one commit, an update": (TWO, BUSIER, BUSIER),
    "one commit, a prune": (TWO, PRUNED, PRUNED),
    "one commit, a removal": (TWO, REMOVED, REMOVED),
    "an older update, a newer prune": (TWO, BUSIER, PRUNED),
    "an older prune, a newer update": (TWO, PRUNED, BUSIER),
    "an older removal, a newer update": (TWO, REMOVED, BUSIER),
}


@pytest.mark.parametrize("name", RACES)
def test_of_two_runs_at_once_the_newer_commit_has_the_last_word(name):
    begin, older, newer = RACES[name]
    clean = flow.world()
    if begin is not None:
        flow.settled(begin, clean)
    oracle = flow.Ledger(clean)
    flow.settled(newer, clean)
    flow.minutes(clean, 2)
    wanted = {key.full() for key in flow.ours(clean)}
    number = 0
    while (race := Race(begin, older, newer, number)).passed:
        if not race.checked:
            # From the check on, only the lease keeps an older run from its deletes (see below).
            assert not [t for v, t in race.log if v == "delete" and t in wanted], number
        flow.settled(newer, race.place)
        flow.minutes(race.place, 2)
        assert flow.orphans(race.place) == set(), number
        assert objects(race.place) == objects(clean), number
        assert flow.recorded(race.place).keys() == flow.recorded(clean).keys(), number
        if older is newer:
            assert race.ledger.counts == oracle.counts, number
        number += 1
    assert number >= 4


@pytest.mark.parametrize("name", RACES)
def test_a_run_that_was_overtaken_after_its_lease_ran_out_writes_nothing_more(name):
    number = 0
    while (race := Race(*RACES[name], number, permit=True)).passed:
        assert not [entry for entry in race.log if entry[0] in flow.WRITES], number
        number += 1
    assert number >= 4


def test_a_rollout_state_that_another_run_wrote_first_ends_the_slower_one():
    tree = flow.pointing(flow.ROUTED, "v2")
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    seen = []

    def before(effect):
        if isinstance(effect, effects.Swap) and not seen:
            seen.append(flow.run(tree, place))

    report = flow.run(tree, place, before=before)
    assert seen
    assert flow.results(report)["prod/one/web"].status == "lost"
    assert "another run wrote the rollout state first" in str(flow.problems(report))


def test_an_inventory_that_another_run_wrote_first_ends_the_slower_one():
    place = flow.world()
    flow.settled(TWO, place)
    slower = support.reviewed(BUSIER, place.cluster, place.clock.now())
    flow.run(flow.pointing(TWO, "v1", "  replicas: 2\n"), place)
    report = support.Ran(apply_plan.reconcile(slower, place.cluster, place.clock, support.Silent()))
    assert flow.results(report)["prod/one/web"].status == "lost"
    live = flow.live(place, "Deployment", "ml-one", "web-v1")
    assert live["spec"]["replicas"] == 2
