"""Codes of policy files and of what policies find."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_CEL",
        "An expression of a policy does not compile, gives the wrong type, or uses a variable that "
        "is not defined before it.",
        "Correct the expression at the place that the message names.",
    ),
    Entry(
        "E_POLICY",
        "A policy or binding lacks a required field, or a field has the wrong form.",
        "Correct the field; the files are the same that a cluster takes.",
    ),
    Entry(
        "E_POLICY_BINDING",
        "A binding names a policy that is in no file of policies/, or an environment or group that "
        "does not exist.",
        "Correct the name, or add what it names.",
    ),
    Entry(
        "E_POLICY_FIELD",
        "An expression reads a field that no object which it judges has, so it cannot be computed "
        "for any of them. The apps are denied.",
        "Correct the name of the field. A field that may be absent is tested first: `has(…)`.",
    ),
    Entry(
        "W_POLICY_FIELD",
        "The same for a policy that only warns or is recorded.",
        "Correct the name of the field. A field that may be absent is tested first: `has(…)`.",
    ),
    Entry(
        "E_POLICY_KEY",
        "A policy or binding has a field that does not exist.",
        "Correct the spelling.",
    ),
    Entry(
        "E_POLICY_KIND",
        "A file of policies/ holds a policy of a kind that the program does not evaluate. The "
        "program refuses the file, because a policy that is passed over would protect nobody.",
        "Write a ValidatingAdmissionPolicy, or move the file out of policies/.",
    ),
    Entry(
        "E_POLICY_NAME",
        "Two policies, or two bindings, have the same name.",
        "Rename one of them.",
    ),
    Entry(
        "E_POLICY_TEST",
        "A case of policies/tests/ has another result than it expects, or a file there is no test.",
        "Correct the policy or the case; `reconciler policy test` runs them.",
        "error[E_POLICY_TEST]: an MPIJob without limits: expected deny, and nothing was found\n"
        "  --> policies/tests/resource-limits.yaml:40:3",
    ),
    Entry(
        "P_ERROR",
        "A policy could not be computed for an object: for example the expression reads a field "
        "that the object does not have. Unless the policy says `failurePolicy: Ignore`, this "
        "counts as a denial.",
        "Let the expression ask with `has(…)` first.",
    ),
    Entry(
        "P_NOT_EVALUABLE",
        "A policy asks for something that only a cluster can answer, for example the authorizer. "
        "Nothing is known about the object offline.",
        "Let the cluster judge it, or write the policy without this function.",
    ),
    Entry(
        "P_VIOLATED",
        "An object violates a policy. Whether this stops a run is the level of the policy's "
        "binding.",
        "Change the config line that the finding names; the policy's remediation says how.",
    ),
    Entry(
        "W_POLICY_BASE",
        "The policies of the revision that a proposal is compared with have errors, so only the "
        "proposal's own policies judge it.",
        "Correct the policies in a pull request of their own, and merge it first.",
        "warning[W_POLICY_BASE]: the policies of origin/main@1f2e3d4 have errors, so they judge "
        "nothing here\n"
        "   help: correct the policies in a pull request of their own, and merge it first",
    ),
    Entry(
        "W_POLICY_CHANGED",
        "A proposal changes policies. Until it is merged, the policies of its base judge it as "
        "well: what they deny stays denied.",
        "Merge the change of the policies first, in a pull request of its own.",
        "warning[W_POLICY_CHANGED]: the policies are not those of origin/main@1f2e3d4: "
        "policies/pod-safety.yaml differs; 1 finding on 1 app no longer, or less strictly\n"
        "   help: until this is merged, what the policies of origin/main@1f2e3d4 deny stays denied",
    ),
    Entry(
        "W_POLICY_OFFLINE",
        "An expression of a policy asks for something that only a cluster can answer.",
        "Nothing has to be done: every object that the policy matches gets a finding, and the "
        "cluster judges it.",
    ),
    Entry(
        "W_POLICY_PARAM",
        "A policy's parameter is missing, a parameter is used by no policy, or a policy and its "
        "binding disagree whether there is one.",
        "Add the parameter's object to policies/, or remove what is not used.",
    ),
    Entry(
        "W_POLICY_UNTESTED",
        "A policy has no test, so nobody knows that it catches what it should.",
        "Write policies/tests/<policy>.yaml with cases that it allows and denies.",
        "warning[W_POLICY_UNTESTED]: the policy 'pod-safety' has no test\n"
        "  --> policies/pod-safety.yaml:1:1\n   help: write policies/tests/pod-safety.yaml",
    ),
    Entry(
        "W_POLICY_UNBOUND",
        "A policy has no binding, so it judges nothing.",
        "Add a ValidatingAdmissionPolicyBinding.",
    ),
)
