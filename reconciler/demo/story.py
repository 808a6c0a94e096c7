"""The chapters of `demo`: each runs commands of the program, which print the results."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import click

from reconciler import kinds
from reconciler.demo.stage import Stage
from reconciler.errors import ExitCode

__all__ = ["Story"]

_APP = "prod/hz-a/mnist"
_TYPE = "environments/types/computer-vision.yaml"
_PROD = ("--model", "mnist", "--environment", "prod")
_RANKER = "models/search-ranker/model.yaml"
_PINNED = "@sha256:b81dd8d6ead3c93c76cb2aee030370c12fd405ab66772d3cea149bc23b52980b"
_MINUTE = timedelta(minutes=1)


def _last_lines(count: int) -> Callable[[str], str]:
    """A function that keeps the last `count` lines of an output and says how many it left out."""

    def keep(text: str) -> str:
        lines = text.splitlines()
        cut = len(lines) - count
        head = [f"... {cut} lines more ..."] if cut > 0 else []
        return "\n".join([*head, *lines[-count:]]) + "\n"

    return keep


def _last_blocks(count: int) -> Callable[[str], str]:
    """As `_last_lines`, of blocks that empty lines part."""

    def keep(text: str) -> str:
        blocks = text.rstrip("\n").split("\n\n")
        cut = "\n\n".join(blocks[:-count]).count("\n")
        head = [f"... {cut} lines more ..."] if len(blocks) > count else []
        return "\n\n".join([*head, *blocks[-count:]]) + "\n"

    return keep


class Story:
    """The chapters, in order. `as_told` is False once an exit code was not the expected one."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.as_told = True

    def tell(self) -> None:
        self.stage.show("A config repo, an embedded cluster and a simulated clock; nothing else.\n")
        for chapter in (
            self.first_apply,
            self.training,
            self.promotion,
            self.rollout,
            self.drift,
            self.shared_line,
            self.denied,
            self.summary,
        ):
            chapter()

    def expect(self, code: ExitCode, wanted: ExitCode = ExitCode.DONE) -> None:
        if code is not wanted:
            self.as_told = False
            self.stage.show(f"(the story expected exit {int(wanted)}, this was {int(code)})\n")

    def moment(self) -> None:
        self.stage.note(f"simulated time: {self.stage.now:%A %Y-%m-%d %H:%M} UTC")

    # -- chapters ----------------------------------------------------------------------------------

    def first_apply(self) -> None:
        stage = self.stage
        stage.heading(
            "From Git to objects",
            "Layered YAML files say what is trained and served where. `check` judges them, `apply` "
            "makes the cluster so, wave by wave.",
        )
        self.expect(stage.run("check", cluster=False))
        self.expect(stage.run("apply", keep=_last_blocks(3)))
        self.expect(stage.run("apply"))
        stage.note("Twice changes nothing the second time.")
        self.expect(stage.run("status"))

    def training(self) -> None:
        stage = self.stage
        stage.heading(
            "A night goes by",
            "At 02:00 in Shanghai the schedule fires: three candidates train side by side, the "
            "most accurate is published as a model version. Nothing that Git owns is touched.",
        )
        stage.wait(timedelta(hours=10))
        self.moment()
        self.expect(stage.run("versions", "--model", "mnist", "--record"))
        stage.commit("Record mnist v3")
        stage.note("The record is a file in Git: digest, metrics, lineage; reviewed by people.")

    def promotion(self) -> None:
        stage = self.stage
        stage.heading(
            "A promotion is one line",
            "The pointer of the next environment moves; the pull request shows exactly that.",
        )
        reason = "the tour shows production alone"
        version = ("--version", "v3", "--skip-rung", reason)
        self.expect(stage.run("promote", "mnist", "--to", "prod", *version, cluster=False))
        stage.commit("Promote mnist v3 to prod")

    def rollout(self) -> None:
        stage = self.stage
        stage.heading(
            "The weights walk",
            "A reconcile runs every minute, as a CronJob would. Weight follows ready replicas: "
            "10, 50, 100 %, with the pauses that the config asks for. Shown are the runs that "
            "decided something.",
        )
        previous = ""
        for _ in range(60):
            code, text = stage.quietly("reconcile", "--once", *_PROD, "-o", "json")
            self.expect(code)
            report = json.loads(text[text.index("{") :])
            app = next(a for a in report["plan"]["apps"] if a["app"] == _APP)
            decision = app["decision"]
            current = f"{decision['verdict']} {decision['weights']}"
            if current != previous:
                previous = current
                weights = "  ".join(f"{v} {w:>3} %" for v, w in decision["weights"].items())
                why = decision["reasons"][0]
                self.stage.show(f"   {stage.now:%H:%M}  {weights:<20}  {why['text']}\n")
                self.stage.show(click.style(f"          {'':<20}  {why['at']}", dim=True) + "\n")
            if (
                not any(list(a.get("waves", ())) for a in report["plan"]["apps"])
                and "v2" not in current
            ):
                break
            stage.wait(_MINUTE)
        stage.wait(_MINUTE)
        self.expect(stage.run("status", *_PROD))

    def drift(self) -> None:
        stage = self.stage
        stage.heading(
            "Somebody edits by hand",
            "`kubectl edit` halves the replicas of the serving object. The plan names the field "
            "and the config line; reconcile puts it back.",
        )
        self._edit_by_hand()
        self.expect(stage.run("plan", "--app", _APP))
        self.expect(stage.run("reconcile", "--once", "--app", _APP, keep=_last_lines(1)))

    def _edit_by_hand(self) -> None:
        from reconciler.objects.key import ObjectKey
        from reconciler.simulation.world import World

        key = ObjectKey("serving.kserve.io", "InferenceService", "ml-hz-a", "mnist-v3")

        def halve(body: dict[str, object]) -> None:
            spec = body["spec"]
            assert isinstance(spec, dict)
            spec["predictor"]["minReplicas"] = 2

        with World(str(self.stage.cluster), kinds=kinds.known()) as world:
            world.cluster.edit(key, halve)

    def shared_line(self) -> None:
        stage = self.stage
        stage.heading(
            "One shared line, and what it reaches",
            "The memory of every computer-vision server goes from 4Gi to 6Gi, in one place.",
        )
        stage.edit(
            _TYPE, "  resources: {cpu: 2, memory: 4Gi}", "  resources: {cpu: 2, memory: 6Gi}"
        )
        self.expect(stage.run("plan", "--model", "mnist"))
        self.expect(stage.run("explain", "serving.resources.memory", "--app", _APP, cluster=False))

    def denied(self) -> None:
        stage = self.stage
        stage.heading(
            "A policy says no",
            "Somebody replaces a pinned image by a tag. Policies are the very files that a "
            "cluster's admission takes, judged before anything is written.",
        )
        stage.git("checkout", "-q", "--", ".")
        stage.edit(_RANKER, _PINNED, ":latest")
        stage.commit("Use a tag")
        self.expect(stage.run("apply", "--model", "search-ranker"), ExitCode.DENIED)
        stage.git("reset", "-q", "--hard", "HEAD~1")

    def summary(self) -> None:
        self.stage.show(f"\n{click.style('What you saw', bold=True)}\n")
        for line in (
            "one engine: check, plan, apply and reconcile are parts of the same run",
            "every difference, decision and finding names the config line behind it",
            "a version went from a nightly training to all traffic, one reviewed line at a time",
            "drift was repaired, a shared change was foreseen, a bad one was never written",
        ):
            self.stage.show(f"   - {line}\n")
        self.stage.show(
            "\nThe sample config lies in environments/, models/ and policies/. Next, try:\n"
        )
        for line in (
            "reconciler plan --repo YOUR-CONFIG",
            "reconciler explain serving.replicas --app prod/hz-a/mnist",
            "reconciler apply --embedded my.db     # then: reconciler status --embedded my.db",
        ):
            self.stage.show(f"   {line}\n")
