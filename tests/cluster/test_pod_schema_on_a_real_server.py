"""The schema of pods is the one that the real server publishes."""

from tests import pod_schema


def test_the_schema_of_pods_is_the_servers(real_cluster):
    assert pod_schema.text(pod_schema.published(real_cluster)) == pod_schema.FILE.read_text()
