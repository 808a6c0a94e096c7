"""Autoscalers among an app's manifests."""

from reconciler.backends.scaling import check_targets
from tests import support

HPA = (
    "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
    "spec:\n  maxReplicas: 3\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}\n"
)


def codes(target):
    tree = support.small().but(
        {
            "models/web/scale.yaml": HPA % target,
            "environments/prod/one/web.yaml": "manifests: [scale.yaml]\n",
        }
    )
    app = next(a for a in support.loaded(tree).apps if str(a.id) == "prod/one/web")
    return [d.code for d in check_targets(app)]


def test_an_autoscaler_of_a_version_is_warned_of_whichever_version_it_is():
    assert codes("web-v1") == ["W_SCALE_TARGET"]
    assert codes("web-v2") == ["W_SCALE_TARGET"]
    assert codes("web-v1-0af87-p") == ["W_SCALE_TARGET"]


def test_an_autoscaler_of_another_object_is_not():
    assert codes("web-v10") == []
    assert codes("other") == []
