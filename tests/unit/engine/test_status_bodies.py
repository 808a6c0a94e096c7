"""The status of a group as an object."""

import json

from reconciler.operate import group_status
from reconciler.plan.statuses import GroupStatus, RecordedStatus
from reconciler.unit import UnitId


def test_large_groups_keep_short_histories():
    history = [{"at": "x", "message": "m" * 500}] * 10
    many = {
        UnitId("prod", "one", f"app{n}"): RecordedStatus({"history": history}) for n in range(300)
    }
    body = group_status.body_of(GroupStatus("prod/one", many), (), (), str)
    assert len(json.dumps(body)) < 900_000
    assert all(len(json.loads(v)["history"]) == 3 for v in body["data"].values())
