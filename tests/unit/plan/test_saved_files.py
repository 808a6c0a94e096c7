"""A file that is no saved plan."""

import pytest

from reconciler.plan import saved_plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a saved plan"),
        ("[]", "is not a saved plan"),
        ("{}", "is not a saved plan"),
        ('{"schemaVersion": 3}', "has plan schema 3"),
        ('{"schemaVersion": 2}', "is not a saved plan"),
        ('{"schemaVersion": 2, "revision": null}', "is not a saved plan"),
    ],
)
def test_what_is_no_saved_plan_is_refused(text, message):
    with pytest.raises(saved_plan.SavedPlanInvalid) as caught:
        saved_plan.load(text, "plan.json")
    assert message in caught.value.message
    assert caught.value.hint
