"""A real control plane for tests: etcd, kube-apiserver and, where there is one, the controllers.

`python -m tests.controlplane prepare` gets what is needed once; `cluster` starts one for people.
"""
