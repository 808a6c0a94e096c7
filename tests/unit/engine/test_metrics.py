"""The exposition format, and a closed set of names and labels."""

import pytest

from reconciler.operate.metrics import FAMILIES, Registry


def test_the_text_is_what_prometheus_reads():
    made = Registry()
    made.add("reconcile_total", environment="prod", result="noop")
    made.add("reconcile_total", 2, environment="prod", result="noop")
    made.set("git_source_age_seconds", 1.5)
    assert made.text() == (
        "# HELP reconciler_git_source_age_seconds Seconds since Git last answered.\n"
        "# TYPE reconciler_git_source_age_seconds gauge\n"
        "reconciler_git_source_age_seconds 1.5\n"
        "# HELP reconciler_reconcile_total Apps by result.\n"
        "# TYPE reconciler_reconcile_total counter\n"
        'reconciler_reconcile_total{environment="prod",result="noop"} 3.0\n'
    )


def test_a_histogram_counts_up_to_each_bound():
    made = Registry()
    for value in (0.05, 0.2, 1000):
        made.observe("pass_duration_seconds", value)
    text = made.text()
    assert 'pass_duration_seconds_bucket{le="0.05"} 1.0\n' in text
    assert 'pass_duration_seconds_bucket{le="0.25"} 2.0\n' in text
    assert 'pass_duration_seconds_bucket{le="300.0"} 2.0\n' in text
    assert 'pass_duration_seconds_bucket{le="+Inf"} 3.0\n' in text
    assert "pass_duration_seconds_sum 1000.25\n" in text
    assert "pass_duration_seconds_count 3.0\n" in text


def test_a_label_cannot_break_out_of_its_quotes():
    made = Registry()
    made.set("lease_held", 1, group='a"} 1\nforged 1\\')
    (line,) = [line for line in made.text().splitlines() if not line.startswith("#")]
    assert line == 'reconciler_lease_held{group="a\\"} 1\\nforged 1\\\\"} 1.0'


def test_labels_are_a_closed_set():
    made = Registry()
    with pytest.raises(KeyError):
        made.add("reconcile_total", environment="prod")
    with pytest.raises(KeyError):
        made.add("unheard_of")


def test_the_number_of_series_is_bounded():
    """F54."""
    made = Registry()
    for number in range(5000):
        made.set("lease_held", 1, group=str(number))
    assert made.text().count("\n") <= 2003
    assert 'group="other"' in made.text()


def test_every_family_says_what_it_is():
    assert all(family.text.endswith(".") for family in FAMILIES.values())
    assert all(f.name.endswith("_total") == (f.kind == "counter") for f in FAMILIES.values())
