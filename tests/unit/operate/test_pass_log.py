"""A loop's log: each thing once, and what happens next."""

from datetime import timedelta

from reconciler.errors import ExitCode
from reconciler.operate.pass_log import PassLog
from reconciler.operate.passes import Pass, UnitResult, UnitState
from reconciler.unit import UnitId
from tests.looping import Kept
from tests.support import NOW

APP = UnitId("prod", "one", "web")
FIRST, SECOND = "1" * 40, "2" * 40


def made(*outcomes, commit=FIRST, locked=None):
    return Pass(None, ExitCode.DONE, outcomes=outcomes, commit=commit, locked=locked or {})


def quiet():
    return made(UnitResult(APP, UnitState.NOOP))


def wrote():
    return made(UnitResult(APP, UnitState.SUCCESS, done=(("Deployment ml/web", "updated"),)))


def refused(text="deletes 14 of 40 objects"):
    return made(UnitResult(APP, UnitState.REFUSED, text))


class Story:
    """A log, and the messages since it was asked last."""

    def __init__(self, **options):
        self.kept = Kept()
        self.log = PassLog(self.kept, **options)
        self.now = NOW

    def new(self):
        rows, self.kept.rows = self.kept.rows, []
        return [row["msg"] for row in rows]

    def go(self, done, seconds=60):
        self.log.results(done)
        self.log.waits(self.now, seconds)
        self.now += timedelta(seconds=seconds)
        return self.new()


def test_the_start_says_the_interval_and_what_is_followed():
    story = Story()
    story.log.starts(60.0, "main of https://git.example/config.git")
    assert story.new() == [
        "the loop starts: a pass every 60 s, following main of https://git.example/config.git"
    ]


def test_each_new_commit_is_said_once():
    story = Story()
    for commit in (FIRST, FIRST, SECOND, SECOND):
        story.log.begins(commit)
    assert story.new() == ["new commit 1111111", "new commit 2222222, after 1111111"]


def test_a_loop_with_nothing_to_do_says_once_what_happens_next():
    story = Story()
    assert story.go(quiet()) == ["nothing to do; passes go on, the next one at 12:01:00 UTC"]
    assert [story.go(quiet()) for _ in range(50)] == [[]] * 50


def test_each_pass_that_did_something_is_said():
    story = Story()
    for _ in range(3):
        assert story.go(wrote())[:2] == ["wrote", "success"]
        (then,) = story.go(quiet())  # that it is in order is no news after a success
        assert then.startswith("nothing to do")


def test_a_standing_mistake_is_said_once_and_so_is_its_end():
    story = Story()
    assert story.go(refused())[0] == "deletes 14 of 40 objects"
    assert [story.go(refused()) for _ in range(20)][1:] == [[]] * 19
    assert story.go(refused("deletes 15 of 40 objects"))[0] == "deletes 15 of 40 objects"
    assert story.go(quiet())[0] == "in order again"
    assert story.go(refused("deletes 15 of 40 objects"))[0] == "deletes 15 of 40 objects"


def test_a_unit_that_backs_off_keeps_its_mistake_said():
    story = Story()
    story.go(refused())
    rests = made(UnitResult(APP, UnitState.BACKING_OFF, "tried again at 12:05"))
    story.go(rests)
    for _ in range(3):
        assert "tried again" not in "".join(story.go(rests) + story.go(refused()))


def test_an_error_of_a_whole_pass_is_said_once_until_it_changes_or_ends():
    story = Story()
    for text in ("no route", "no route", "refused", "refused"):
        story.log.failed(text, phase="plan")
    assert story.new() == ["no route", "refused"]
    story.log.answers("the Git source answers again")
    story.log.failed("refused", phase="plan")
    assert story.new() == ["the Git source answers again", "refused"]


def test_a_group_that_another_run_holds_is_said_once():
    story = Story()
    locked = {"prod/one": "held by robot-2"}
    assert story.go(made(locked=locked))[0] == "held by robot-2"
    assert "held by robot-2" not in story.go(made(locked=locked))
    story.go(made())
    assert "held by robot-2" in story.go(made(locked=locked))


def test_a_person_who_looks_on_sees_the_next_pass_in_one_line():
    shown = []
    story = Story(shows=shown.append)
    story.go(wrote())
    story.go(quiet())
    story.go(quiet())
    assert shown == [
        "next pass at 12:01:00 UTC",
        "nothing to do since 12:01 UTC; next pass at 12:02:00 UTC",
        "nothing to do since 12:01 UTC; next pass at 12:03:00 UTC",
    ]
    assert story.new() == []


def test_secrets_are_masked():
    story = Story(redact=lambda text: text.replace("hunter2", "***"))
    assert story.go(refused("token hunter2"))[0] == "token ***"
