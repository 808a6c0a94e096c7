"""The status of a group as an object."""

import json

from reconciler.engine import statuses
from reconciler.unit import UnitId


def test_large_groups_keep_short_histories():
    history = [{"at": "x", "message": "m" * 500}] * 10
    many = {
        UnitId("prod", "one", f"app{n}"): statuses.Recorded({"history": history})
        for n in range(300)
    }
    body = statuses.body_of(statuses.GroupStatus("prod/one", many), (), (), str)
    assert len(json.dumps(body)) < 900_000
    assert all(len(json.loads(v)["history"]) == 3 for v in body["data"].values())
