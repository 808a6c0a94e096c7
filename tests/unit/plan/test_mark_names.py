"""The annotations that people write."""

from reconciler.objects import ownership
from reconciler.plan import marks

_NAMES = (
    marks.PRUNE,
    marks.RECONCILE,
    marks.REPLACE,
    marks.SHARED,
    marks.ADOPT,
    ownership.AUTOSCALER,
)


def test_the_names_of_the_marks_are_of_our_domain():
    for name in _NAMES:
        assert name.startswith("ml-reconciler.dev/")
