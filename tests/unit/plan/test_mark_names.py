"""The annotations that people write."""

from reconciler.plan import marks


def test_the_names_of_the_marks_are_of_our_domain():
    for name in (marks.PRUNE, marks.RECONCILE, marks.REPLACE, marks.SHARED, marks.ADOPT):
        assert name.startswith("ml-reconciler.dev/")
