"""Autoscalers among an app's manifests."""

from reconciler.backends.scaling import annotations_of, check_targets, is_scaled, scaler_of
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


def app_of(own, manifest=""):
    files = {"environments/prod/one/web.yaml": own}
    if manifest:
        files["models/web/scale.yaml"] = manifest
    (found,) = support.loaded(support.small().but(files)).apps
    return found


def test_a_named_autoscaler_owns_every_version():
    app = app_of("serving: {autoscaler: web}\n")
    assert is_scaled(app, "v1")
    assert is_scaled(app, "v2")
    assert scaler_of(app, "anything").value == "web"
    assert {name: value.value for name, value in annotations_of(app.spec.serving).items()} == {
        "ml-reconciler.dev/autoscaler": "web"
    }


def test_a_drawn_autoscaler_owns_its_target_alone():
    app = app_of("manifests: [scale.yaml]\n", HPA % "web-v1")
    assert is_scaled(app, "v1")
    assert not is_scaled(app, "v2")
    assert scaler_of(app, "web-v2") is None
    assert scaler_of(app, "web-v1").site.file == "models/web/scale.yaml"
    assert annotations_of(app.spec.serving) == {}
