"""The work of a check grows with the number of mistakes, and not with its square. Calls are counted,
because a machine under load makes times lie."""

import sys

import pytest

from reconciler.engine import review
from reconciler.engine.run_options import RunOptions
from reconciler.engine.views.reviews import check_report
from reconciler.output.format import Options, format_named
from tests.support import NOW, select, small

FEW = 30


def untyped(number):
    """An app of a model that has no file."""
    return {f"environments/prod/one/lost{number:04d}.yaml": ""}


def misspelt(number):
    """An app with a key that no schema has."""
    return {
        f"environments/prod/one/app{number:04d}.yaml": "servin: {replicas: 2}\n",
        f"models/app{number:04d}/model.yaml": (
            "model: {type: vision, owner: web}\nserving: {image: 'registry.example/web:1'}\n"
        ),
    }


def unread(number):
    """An app whose file is no YAML."""
    return {
        f"environments/prod/one/app{number:04d}.yaml": "serving: [\n",
        f"models/app{number:04d}/model.yaml": "model: {type: vision, owner: web}\n",
    }


def lost_version(number):
    """An app that serves a version without a record."""
    return {
        f"environments/prod/one/app{number:04d}.yaml": 'serving: {version: "v9"}\n',
        f"models/app{number:04d}/model.yaml": (
            "model: {type: vision, owner: web}\nserving: {image: 'registry.example/web:1'}\n"
        ),
    }


def shared_mistake(number):
    """An app that reads a wrong value of a file that all apps read."""
    return {
        "environments/prod/environment.yaml": (
            "environment: {rank: 1, cluster: main}\nserving: {replicas: many}\n"
        ),
        **lost_version(number),
    }


def calls_of(broken, count):
    """How many functions a check of so many broken apps calls, and the mistakes that it tells."""
    files = {}
    for number in range(count):
        files |= broken(number)
    tree = small().but(files)
    calls = 0

    def seen(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        reviewed = review.review(tree, select(), NOW, options=RunOptions(plans=False))
        format_named("text").render(check_report(reviewed), Options())
    finally:
        sys.setprofile(None)
    return calls, reviewed.diagnostics


@pytest.mark.parametrize("broken", [untyped, misspelt, unread, lost_version, shared_mistake])
def test_twice_the_broken_apps_are_twice_the_work(broken):
    calls_of(broken, 2)  # imports are no part of the work
    few, told = calls_of(broken, FEW)
    many, more = calls_of(broken, 2 * FEW)
    most, _ = calls_of(broken, 4 * FEW)
    blocked = [{unit for d in found if d.is_error for unit in d.apps} for found in (told, more)]
    assert [len(units) >= size for units, size in zip(blocked, (FEW, 2 * FEW), strict=True)] == [
        True,
        True,
    ]
    # Each further app costs the same: the second step is twice the first, and not four times.
    assert most - many <= 2.2 * (many - few)
