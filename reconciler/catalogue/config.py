"""Codes of apps, models, environments, groups and manifests."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_CONFIG",
        "The command needs a config without errors. Each error is shown with its own code.",
        "Correct the errors that are shown; `reconciler check` shows all of them at once.",
        "This code stands in JSON and logs for the whole run. People see the errors themselves.",
    ),
    Entry(
        "E_CRON",
        "A cron expression cannot be read, or it can never fire.",
        "Correct the expression. It has five fields as in robfig/cron v3; `H` spreads the load.",
    ),
    Entry(
        "E_CLAIM_REACH",
        "A model is trained and served through one logical name of a claim, and the groups do not "
        "reach the same data: the serving group lacks the name, or several groups create a claim "
        "for it, each an empty volume of its own.",
        "Give the serving group an entry in `group.claims` for a claim that is bound to the same "
        "storage, and let one group alone `create` the claim.",
    ),
    Entry(
        "E_CLAIM_UNKNOWN",
        "A `claim`, or a URI `claim://name/…`, names no entry of `group.claims` in a group that "
        "uses it.",
        "Correct the name, or add it to the group: `claims: {name: {claim: …}}`. A "
        "PersistentVolumeClaim is named by `pvc`.",
    ),
    Entry(
        "W_CLAIM_ACCESS",
        "More pods of a group mount a claim than its access modes allow. With ReadWriteOnce the "
        "pods on other nodes wait for the volume without end.",
        "Use storage with ReadWriteMany, or give each pod a claim of its own.",
    ),
    Entry(
        "E_EXCLUDES",
        "Two fields are set that exclude each other.",
        "Remove one of the two.",
    ),
    Entry(
        "E_FILE_MISSING",
        "The config names a file that is not there.",
        "Add the file, or correct its name.",
    ),
    Entry(
        "E_GROUP_UNKNOWN",
        "A `runIn` names a group that does not exist.",
        "Correct the name, or add environments/<environment>/<group>/group.yaml.",
    ),
    Entry(
        "E_KUBECONFIG",
        "A manifest is a kubeconfig. A kubeconfig may start programs, so none is read from Git.",
        "Remove the file. `cluster` in a group is a name; the operator maps the name to "
        "credentials outside of Git.",
    ),
    Entry(
        "E_KUBEDL",
        "KubeDL cannot run what the config asks for; its controller would fail or do damage.",
        "Follow the help of the message; docs/kubedl.md explains each case.",
    ),
    Entry(
        "E_LABEL",
        "`labels` sets a label that belongs to the program: it finds its objects by this label.",
        "Choose another name.",
    ),
    Entry(
        "E_MANIFEST",
        "A plain manifest is no Kubernetes object: it lacks apiVersion, kind or a name, or it is a "
        "List.",
        "Write one complete object per document.",
    ),
    Entry(
        "E_MISSING",
        "A required field is set by no layer.",
        "Set the field; the help of the message says what it is for.",
    ),
    Entry(
        "E_MODEL_UNKNOWN",
        "A file makes an app of a model that does not exist.",
        "Correct the file's name, or add models/<model>/model.yaml.",
    ),
    Entry(
        "E_MOVED",
        "`moved.from` names an app that cannot hand its objects over: the text is no app's id, the "
        "app still exists, or two apps ask for the same objects.",
        "Write the id that the app had before, and delete the old app's file in the same commit.",
    ),
    Entry(
        "E_NAME",
        "A name is not allowed, or an object's name would be too long for what controllers append "
        "to it.",
        "Use lower-case letters, digits and `-`; shorten the names that the object's name is made "
        "of.",
    ),
    Entry(
        "E_NAME_CLASH",
        "Two objects of the config have the same kind, namespace and name.",
        "Rename one, or leave it out.",
    ),
    Entry(
        "E_NAMESPACE",
        "A manifest names another namespace than its group's.",
        "Remove the namespace from the manifest; the group's is filled in.",
    ),
    Entry(
        "E_NAMESPACE_RESERVED",
        "The namespace belongs to Kubernetes or to this program.",
        "Use a namespace of your own.",
    ),
    Entry(
        "E_NAMESPACE_SHARED",
        "Two groups use one namespace of one cluster. Their objects could not be told apart.",
        "Give each group a namespace of its own.",
    ),
    Entry(
        "E_PATH",
        "A path is not usable: it leaves the repo, has odd characters, or is misspelt.",
        "Write a path inside the repo; `explain` takes paths such as `serving.replicas`.",
    ),
    Entry(
        "E_POOL_UNKNOWN",
        "A `pool` is not among the pools of the group in which the app runs.",
        "Use a pool of the group, or add it to group.yaml.",
    ),
    Entry(
        "E_POOL_GPU",
        "A workload asks for GPUs (`resources.gpu`), and it names no pool, or one without GPUs. "
        "The pool says which extended resource a GPU is (`gpuResource`), and which nodes have it.",
        "Name a pool of the group that has `gpuResource`, or set it for the pool. A device that "
        "needs no pool is asked for by its name: `limits: {nvidia.com/mig-1g.5gb: 1}`.",
    ),
    Entry(
        "E_RANK",
        "Two environments have the same rank, so promotion has no order.",
        "Give each environment a rank of its own.",
    ),
    Entry(
        "E_HOSTNAME",
        "Two apps route one host name on one Gateway. The Gateway gives all requests to the older "
        "route.",
        "Give each app a host name of its own; a part of it may come from the group's values.",
    ),
    Entry(
        "E_STORAGE",
        "Two models write their trained artefacts to one place.",
        "Give each model a path of its own in `versions.storage`.",
    ),
    Entry(
        "W_STORAGE",
        "`versions.storage` names a claim that training does not mount, so no artefact gets there.",
        "Mount the claim in `training.volumes`, or name the claim that is mounted.",
    ),
    Entry(
        "W_SECRET_IN_GIT",
        "A value that looks like a secret stands in a layer or a manifest in plain text. Output "
        "masks it, so a reviewer of the plan would never see that it is there.",
        "Put the value into a Secret of the cluster and write `!secret name/key`. Change the "
        "secret: Git keeps what was once committed.",
    ),
    Entry(
        "W_NO_EFFECT",
        "A line or a block of the config has no effect: nothing is drawn of it and nothing is "
        "decided by it, in any app that reads it. Options of a backend that is not used are an "
        "example, and rollout steps beside a static split.",
        "Delete it, or correct what would use it: the backend, the router, the reference.",
    ),
    Entry(
        "E_RECORD_EDITED",
        "A version record was edited: a field differs from the base revision, or from what is "
        "applied. The edit would change a reviewed version in place, in every app that serves it.",
        "Restore the record. What was trained anew gets a version and a record of its own.",
        "`check --base` and `plan --base` compare with a revision. A plan for a cluster compares "
        "with the live objects, and holds the app.",
    ),
    Entry(
        "E_RECORD",
        "A version record lacks what the serving backend needs.",
        "Complete the record, or set the value in the model's `serving`.",
    ),
    Entry(
        "E_RECORD_NAME",
        "A version record says another version than its file's name.",
        "Rename the file, or correct `version`.",
    ),
    Entry(
        "E_ROLLOUT",
        "The steps of a rollout make no sense: weights must rise, and a pause needs a weight "
        "before it.",
        "Order the steps by weight: [{weight: 10}, {pause: 10m}, {weight: 50}].",
    ),
    Entry(
        "E_ROUTER",
        "The app splits traffic, and its router cannot.",
        "Use a router that splits traffic, or remove `traffic` and the steps.",
    ),
    Entry(
        "E_SCOPE",
        "A manifest is cluster-scoped, and the group does not allow its kind.",
        "Name the kind in `group.clusterScoped`, or leave the manifest out.",
    ),
    Entry(
        "E_SECRET_IN_GIT",
        "A Secret stands in Git. Everybody who reads the repo can read it.",
        "Use an ExternalSecret or a sealed object, and change the secret: it is known now.",
    ),
    Entry(
        "E_SECRET_PLACE",
        "`!secret` stands in a field that would show the secret or cannot hold a reference.",
        "Use `!secret` for the value of an environment variable.",
    ),
    Entry(
        "E_SECRET_REF",
        "The text behind `!secret` does not name a Secret and a key.",
        "Write `!secret name/key`.",
    ),
    Entry(
        "E_SERVER_OWNED",
        "A manifest sets a field that only the server writes: status, uid, managedFields.",
        "Remove the field. Exported manifests often have it.",
    ),
    Entry(
        "E_TIME_ZONE",
        "A time zone is not in the IANA database, or a cron expression holds one itself.",
        "Write a name such as Europe/Berlin in `timeZone`.",
    ),
    Entry(
        "E_TRAFFIC",
        "The weights of `traffic` do not add up to 100.",
        "Correct the weights.",
    ),
    Entry(
        "E_TYPE",
        "A value has the wrong kind: a text where a number is expected, a map where a list is.",
        "Write the kind that the message names. Numbers in quotes are texts.",
    ),
    Entry(
        "E_UNKNOWN_KEY",
        "No field has this name.",
        "Correct the spelling; the help names the nearest field or all of them. Own values that "
        "other fields refer to belong under `vars`.",
    ),
    Entry(
        "E_VALUE",
        "A value is of the right kind and not allowed: too small, too long, or not one of the "
        "known words.",
        "Write a value that the message names as allowed.",
    ),
    Entry(
        "E_VERSION_UNKNOWN",
        "The app serves a version that has no record.",
        "Correct the version, or add models/<model>/versions/<version>.yaml.",
    ),
    Entry(
        "W_ARGO_MEMO_RETRY",
        "A template of an Argo object in `manifests` has both `memoize` and `retryStrategy`, its "
        "own or that of `templateDefaults`. Argo accepts it; at the first memo hit the Workflow "
        "stays at Running for ever, without its exit handler (tried on Argo 4.1.2).",
        "Memoize an outer template, a `dag` with one task, and let that task's template retry.",
    ),
    Entry(
        "W_ARGO_REPLACE",
        "With `concurrency: Replace`, Argo ends the earlier run without its exit handler, and the "
        "job of that run continues.",
        "Use `Forbid`, or keep enough devices free for two jobs.",
    ),
    Entry(
        "W_CRON_TRANSITION",
        "The schedule falls into an hour that its time zone skips or repeats when the clocks "
        "change. That run is lost, or happens twice.",
        "Choose an hour at which clocks do not change, or the time zone UTC.",
    ),
    Entry(
        "W_DATASET",
        "`dataset` names both a claim and a URI. Training mounts the claim and does not use the "
        "URI.",
        "Remove the one that is not meant.",
    ),
    Entry(
        "W_EMPTY",
        "A file in `manifests` holds no object.",
        "Remove the file from the list, or write the object.",
    ),
    Entry(
        "W_KUBEDL_FRAMEWORK",
        "KubeDL does not know the framework in `serving.framework`, so it starts the server "
        "without any settings of its own.",
        "Write a framework that KubeDL knows, or give the server its model by command and args.",
    ),
    Entry(
        "E_POD_FIELD",
        "An overlay of pods sets a field that the kind of this backend does not have: its custom "
        "resource holds an older schema of pods.",
        "Leave the field out for this app: `field: !null` removes what a group or an environment "
        "sets, and `$patch: delete` removes an element of a list. Or use another backend.",
    ),
    Entry(
        "E_POD_OWNED",
        "An overlay of pods (`pod:`) sets a field that another field of the config sets, or that "
        "the backend needs as it is.",
        "Use the field that the help names.",
    ),
    Entry(
        "E_POD_SIDECAR",
        "A second container of a training pod runs on when the trainer has ended, so the pod and "
        "the run never end.",
        "Write it under `initContainers` with `restartPolicy: Always`: Kubernetes ends such a "
        "container with the pod's own.",
    ),
    Entry(
        "E_WINDOW",
        "The change windows of an environment leave no time for changes within a year, so nothing "
        "would ever be changed there.",
        "Shorten a deny window, or add an allow window. `suspend: true` stops single apps.",
    ),
    Entry(
        "E_ARGO_BRACES",
        "A text with `{{` stands in a container that Argo starts itself. Argo reads it as one of "
        "its placeholders, finds none, and refuses the whole schedule (condition SpecError).",
        "Write a reference of this config as `${{ … }}`, and give values to a step by variables. "
        "In the command and the arguments of the training itself `{{` is kept as it is.",
    ),
    Entry(
        "W_KSERVE_MODEL_NAME",
        "A KServe runtime puts the name of its object into the request path, and each version is "
        "an object of its own: the path would change with each promotion. For the runtimes that "
        "take `--model_name` the model's name is drawn; this server is none of them.",
        "Give the server the model's name by `serving.args` or `serving.env`, or tell its callers.",
    ),
    Entry(
        "W_KUBEDL_MODEL_PATH",
        "KubeDL mounts the model where TF Serving does not look: TF Serving wants a folder below "
        "its base path whose name is a number.",
        "Let `serving.kubedl.modelPath` end in a number, and let the base path be the one above.",
    ),
    Entry(
        "W_MOVED",
        "An app that is new to the cluster takes over the objects of another one, of which the "
        "cluster has nothing. With a mistyped id everything would be made anew beside the old.",
        "Correct the id in `moved.from`, or delete `moved`.",
        "warning[W_MOVED]: moved.from: the cluster has nothing of prod/hz-a/minst, so nothing is "
        "taken over\n  --> environments/prod/hz-b/mnist.yaml:1:9",
    ),
    Entry(
        "W_NO_SCHEDULE",
        "A model is trained, and no schedule starts its training.",
        "Add a schedule. Where people start the training, write `schedules: []`, which says so.",
        "warning[W_NO_SCHEDULE]: training.schedules: nothing starts this training: it has no "
        "schedule\n  --> models/web/model.yaml:6:10",
    ),
    Entry(
        "E_AUTOSCALER",
        "`serving.autoscaler` names an autoscaler, and the serving backend has no object whose "
        "number of pods others could set.",
        "Set `serving.replicas`, or use another backend.",
    ),
    Entry(
        "W_SCALE_TARGET",
        "A manifest scales an object that is drawn for one version. After the next promotion the "
        "version's object has another name, and the manifest scales nothing.",
        "Let the name refer to the version, `<model>-${{ app.serving.version }}`, or set "
        "`serving.replicas`. An object's name has dashes for a version's dots.",
    ),
    Entry(
        "W_KUBEDL_PORT",
        "KubeDL's Services reach the container ports 8080 and 9000 only, and `serving.port` is "
        "another one.",
        "Let the server listen on 8080.",
    ),
    Entry(
        "W_ROLLOUT",
        "No pause follows a weight, so the next run goes on to the next weight at once.",
        "Add a pause behind the weight, or remove the step.",
    ),
    Entry(
        "W_RUN_NOWHERE",
        "No group trains the model, a `runIn` names a group that has no app of the model, or "
        "`where` of a manifest names what no group does. Nothing runs there.",
        "Add environments/<environment>/<group>/<model>.yaml, or correct `runIn`.",
    ),
    Entry(
        "W_UNUSED_FILE",
        "No layer reads this file.",
        "Correct the file's name or folder, or delete it.",
    ),
)
