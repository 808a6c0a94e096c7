"""Codes of clusters, records in them, and refusals of guards."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_CLUSTER",
        "The cluster, or a part of it, could not be read. Nothing is concluded from what is not "
        "known: nothing of it is changed or deleted.",
        "Check address, credentials and rights; `reconciler rbac` prints the rights that are "
        "needed.",
        "error[E_CLUSTER]: api.example:6443 refuses the credentials (401)",
    ),
    Entry(
        "E_CLUSTER_NAME",
        "A group names a cluster that the operator gave no access to, or names none while there "
        "are several.",
        "Add the name to `--clusters`, or correct `cluster` in environment.yaml or group.yaml.",
        "error[E_CLUSTER_NAME]: cluster: the cluster 'gpu-farm' is not known\n"
        "  --> environments/prod/train/group.yaml:3:3\n"
        "   help: the operator maps names to clusters: --clusters, or a context of that name",
    ),
    Entry(
        "E_FIELD_CONFLICT",
        "Another program owns a field that the config sets: an autoscaler, a rollout controller or "
        "another GitOps tool. The object stays as it is.",
        "Leave the field out of the config. If the program is to own it, pass the printed hash: "
        "`--approve-conflict HASH`.",
        "~ Deployment/web-v1\n"
        "    hpa-controller owns spec.replicas; to take it: --approve-conflict 9c02e1d4",
    ),
    Entry(
        "E_FIGHT",
        "This program and another manager have set fields of an object in turn, three times at one "
        "commit. The object is held, so that the two do not go on for ever.",
        "Stop the other manager, or write its value into Git. A new commit goes on.",
        "- Deployment/web-v1\n    kubectl-edit and this program set spec.replicas in turn, 3 "
        "times: held; stop kubectl-edit, or change Git: a new commit goes on",
    ),
    Entry(
        "E_HISTORY",
        "The commit that was applied last is not in the history of this revision: somebody "
        "rewrote the branch, or an older revision was chosen. The app stays as it is.",
        "If the older state is meant, name the applied commit: `--allow-rewind COMMIT`.",
        "refused: 3f1c2a9d80b1 is applied, and main@77aa01b does not follow it: a force-push, or a "
        "step back\n"
        "         if meant: --allow-rewind 3f1c2a9d80b1",
    ),
    Entry(
        "E_INVENTORY",
        "The record of an app's objects was edited, is incomplete, or a newer version of the "
        "program wrote it. Nothing is written for the app.",
        "`reconciler repair` shows what is recorded, live and wanted, and the ways out.",
        "error[E_INVENTORY]: the inventory prod.hz-a.mnist was edited or cut off: its members are "
        "not as written",
    ),
    Entry(
        "E_LEASE",
        "The lease of a group cannot be read or written, so nobody knows who may write. Nothing is "
        "done.",
        "Give the program get, create and update on leases of its own namespace.",
        "error[E_LEASE]: prod/hz-a: leases.coordination.k8s.io is forbidden\n"
        "   help: the program needs get, create and update on leases in its own namespace; with "
        "--no-lease it needs none: use that only when no other process writes",
    ),
    Entry(
        "E_PRUNE_BUDGET",
        "A run would delete more objects than is allowed without asking: more than 10, or more "
        "than 20 % of a group's recorded objects. Older generations of an object that its app "
        "still has, under a name with another digest, do not count.",
        "Look at the plan. If the deletes are meant, pass the printed hash: `--approve-prune "
        "HASH`.",
        "refused: deletes 12 of 40 objects of prod/hz-a (limit 10)\n"
        "         if meant: --approve-prune 5e1f0c8a",
    ),
    Entry(
        "E_PRUNE_EMPTY",
        "A run would delete every object of a group.",
        "If the group is to go, set `group.state: absent` in its group.yaml.",
        "refused: empties prod/hz-a: all of its 9 recorded objects would go\n"
        "         if meant: set `group.state: absent` in environments/prod/hz-a/group.yaml",
    ),
    Entry(
        "E_PRUNE_HOLLOW",
        "A run would delete objects because a file that an app lists holds no object, because an "
        "app that is in Git draws nothing, or because the last apps of a group are gone. A file "
        "that was cut off looks the same, so a person decides.",
        "Look at the file. If the deletes are meant, pass the printed hash: `--approve-prune "
        "HASH`.",
        "refused: models/mnist/extra.yaml holds no object, and prod/hz-a/mnist would lose 2 "
        "objects\n"
        "         if meant: --approve-prune 5e1f0c8a9d21",
    ),
    Entry(
        "E_PRUNE_PROTECTED",
        "A run would delete an object of a protected kind, for example a namespace.",
        "If the delete is meant, pass the printed hash: `--approve-prune HASH`.",
        "refused: deletes Namespace/ml-hz-a of prod/hz-a, protected\n"
        "         if meant: --approve-prune 77aa01bd",
    ),
    Entry(
        "E_RIGHTS_PLURAL",
        "RBAC speaks of plurals, and the plural of a kind is known to no file of the program or of "
        "the config.",
        "Name a cluster that serves the kind, or keep its CustomResourceDefinition in Git.",
        "$ reconciler rbac\n"
        "error[E_RIGHTS_PLURAL]: the plural of Thing.example.com is not known offline, and RBAC "
        "needs it\n"
        "   help: name a cluster that serves it (--kubeconfig FILE), or keep its "
        "CustomResourceDefinition in Git",
    ),
    Entry(
        "E_SAVED_PLAN",
        "The file is no saved plan, or another version of the program wrote it.",
        "Make the plan again: `reconciler plan --out FILE`.",
    ),
    Entry(
        "E_STRANGERS",
        "A namespace is to be deleted and holds objects that this program did not make, or it "
        "cannot be looked into. Deleting the namespace would delete them, so it stays.",
        "Move or delete these objects, or keep the group. The next run looks again.",
        "- Namespace/ml-hz-a\n    kept: it holds ConfigMap/notes, not this program's to delete",
    ),
    Entry(
        "E_TOOL_DRIFT",
        "Another version of the program applied this very commit, and this version would draw the "
        "objects differently. The app stays as it is.",
        "Look at the plan. If the change is meant: `--approve-upgrade VERSION`.",
        "refused: reconciler 0.2 draws 3 objects of prod/hz-a/mnist differently from 0.1, and the "
        "commit is the same\n         if meant: --approve-upgrade 0.2",
    ),
    Entry(
        "W_WINDOW_CLOSED",
        "The change windows of the environment are closed. What Git changes there, and the next "
        "steps of its rollouts, wait until they open. Drift is still corrected, a rollout that "
        "fails still goes back, and a change that began in an open window is finished.",
        "Nothing: the first run after the opening makes the changes. To change the environment "
        "now, at this commit: `--approve-window HASH`.",
        "waits: the change window of prod is closed until Mon 2026-11-30 09:00 Europe/Berlin\n"
        "       (environments/prod/environment.yaml:5): what Git changes there, and the next steps "
        "of\n       its rollouts, wait\n       to change it now: --approve-window 5e1f0c8a",
    ),
    Entry(
        "W_APPROVAL",
        "An approval was given that no refusal of this plan asks for.",
        "Leave the option out, or give the value that a refusal prints now.",
        "$ reconciler plan --approve-prune 5e1f0c8a --embedded cluster.db\n\n"
        "warning[W_APPROVAL]: --approve-prune '5e1f0c8a' approves nothing in this plan\n"
        "   help: it was used already, or the plan has changed: take the value that a refusal "
        "prints now",
    ),
    Entry(
        "W_BASE",
        "The revision that `--base` names has errors itself. Apps that could not be rendered there "
        "look new in the comparison.",
        "Take the counts with care, or compare with a revision without errors.",
        "warning[W_BASE]: main has errors itself: prod/one/web could not be rendered there, and "
        "so look new\n   help: the counts below are too high by their objects",
    ),
    Entry(
        "W_PRUNE_GUARD",
        "If this proposal is merged, a guard would stop the run that deletes its objects.",
        "Tell the operator; `plan` against the cluster prints what `--approve-prune` takes.",
        "warning[W_PRUNE_GUARD]: a run would not do this by itself: deletes 12 of 40 objects of "
        "prod/hz-a (limit 10)",
    ),
)
