"""One report of each command, made by the engine itself."""

from reconciler import kinds
from reconciler.apply.result import ApplyResult, ApplyStatus
from reconciler.engine import review
from reconciler.engine.run_options import RunOptions
from reconciler.engine.views.report import Changes, Report
from reconciler.engine.views.reviews import check_report, plan_report
from reconciler.errors import ExitCode
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.unit import UnitId
from tests.support import NOW, applied, reviewed, sample, select, small

OWN = "environments/prod/one/web.yaml"
GROUP = "environments/prod/one/group.yaml"
EDIT = {
    "environments/prod/mnist.yaml": 'serving:\n  version: "v1"\n',
    "environments/prod/hz-b/search-ranker.yaml": None,
}
POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: enough-replicas}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations:
  - {expression: object.spec.replicas > 1, message: one replica is none}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: enough-replicas}
spec: {policyName: enough-replicas, validationActions: [Deny]}
"""


def check():
    tree = small().but({OWN: "serving:\n  replcas: 2\n"})
    return check_report(review.review(tree, select(), NOW, options=RunOptions(plans=False)))


def denied():
    tree = small().but({"policies/replicas.yaml": POLICY})
    return plan_report(review.review(tree, select(), NOW))


def base():
    return plan_report(review.review(sample().but(EDIT), select(), NOW, base=sample()))


def plan():
    return plan_report(reviewed(small(), EmbeddedCluster(kinds=kinds.known())))


def reconciled():
    return applied(small(), EmbeddedCluster(kinds=kinds.known())).report


def refused():
    cluster = EmbeddedCluster(kinds=kinds.known())
    applied(small(), cluster)
    return plan_report(reviewed(small().but({OWN: None, GROUP: None}), cluster))


def incomplete():
    section = plan().sections[1]
    result = ApplyResult(
        UnitId.parse("prod/one/web"), ApplyStatus.FAILED, problems=[(None, "it broke")]
    )
    return Report(
        "apply", (Changes(section.plan, applied=(result,)),), exit_code=ExitCode.INCOMPLETE
    )
