"""A real control plane for tests: etcd, kube-apiserver and, where there is one, the controllers.

`python -m tests.controlplane build` makes the programs once; `run` starts them and waits.
"""
