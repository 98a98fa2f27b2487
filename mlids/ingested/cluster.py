"""Kubernetes audit: events of the API server's log, judged by rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlids.ingested.conditions import Lists
from mlids.ingested.findings import at, words
from mlids.ingested.product import Record, RuleProduct
from mlids.layouts import values

ANONYMOUS = ("system:anonymous", "system:unauthenticated")
# Users under whose names the parts of a cluster, and those of hosted ones, act.
MACHINES = ("system:", "eks:", "aksService", "hcpService", "masterclient", "gke-", "node-")
WORKLOAD = "system:serviceaccount:"
# Service accounts of these namespaces are the cluster's own.
OWN = tuple(f"{WORKLOAD}{name}:" for name in ("kube-system", "kube-public", "kube-node-lease"))
# From where the makers of clusters and of their networks hand out what runs them.
MAKERS = (
    "registry.k8s.io/", "k8s.gcr.io/", "gcr.io/google-containers/", "gcr.io/google_containers/",
    "gcr.io/k8s-minikube/", "gke.gcr.io/", "gcr.io/gke-release/", "mcr.microsoft.com/",
    "public.ecr.aws/eks", "602401143452.dkr.ecr.", "quay.io/cilium/", "docker.io/calico/",
    "calico/", "quay.io/calico/", "quay.io/tigera/", "docker.io/flannel/", "flannel/",
    "ghcr.io/flannel-io/", "docker.io/rancher/", "rancher/", "docker.io/kindest/", "kindest/",
    "quay.io/coreos/", "quay.io/openshift", "docker.io/weaveworks/", "weaveworks/",
    "docker.io/coredns/", "coredns/",
)  # fmt: skip
OVER = frozenset(("ResponseComplete", "Panic", ""))
BEGUN = "ResponseStarted"
# What is open for as long as somebody uses it: told when it begins, and not again at its end.
OPEN = frozenset(("exec", "attach", "portforward", "proxy"))
MOST_OPEN = 4096
CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
REFUSED = 400
MOST_CONTAINERS = 200


class Cluster(RuleProduct):
    """Events of the audit log. lists: known and trusted users, images and namespaces."""

    name = "k8s_audit"

    def __init__(self, lists: Lists | None = None, keys: int = 1000) -> None:
        super().__init__(lists, keys)
        self._open: dict[str, None] = {}  # by audit id, oldest first

    def events(self, record: Record) -> Iterable[Record]:
        """The event of a line, or those of a list."""
        items = record.get("items")
        if isinstance(items, list) and record.get("kind") == "EventList":
            return [each for each in items if isinstance(each, dict)]
        return (record,)

    def moment(self, event: Record) -> int:
        """When an event of a list happened."""
        names = ("stageTimestamp", "requestReceivedTimestamp", "timestamp")
        return next((time for name in names if (time := values.moment(event.get(name)))), 0)

    def prepared(self, event: Record) -> dict[str, Any]:
        """An event that is over, with `actor`, `ok`, `pod`, `place` and `source` beside."""
        if not isinstance(event.get("verb"), str) or not self._is_due(event):
            return {}
        uri = words(event.get("requestURI"))
        if "dryRun=All" in uri:
            return {}
        code = at(event, "responseStatus", "code")
        place = [words(at(event, "objectRef", k)) for k in ("resource", "namespace", "name")]
        return {
            **event,
            "actor": _actor(words(at(event, "user", "username")), code),
            "ok": not isinstance(code, int) or code < REFUSED,
            "pod": self._pod(event.get("requestObject")),
            "place": "/".join(place) if any(place) else uri.partition("?")[0],
            "source": _source(event),
        }

    def _is_due(self, event: Record) -> bool:
        """Whether this stage of a request is the one that is told."""
        stage, name = words(event.get("stage")), words(event.get("auditID"))
        if stage in OVER:
            if name in self._open:
                del self._open[name]
                return False
            return True
        if stage != BEGUN or words(at(event, "objectRef", "subresource")) not in OPEN:
            return False
        if name:
            self._open[name] = None
            if len(self._open) > MOST_OPEN:
                del self._open[next(iter(self._open))]
        return True

    def _pod(self, asked: Any) -> dict[str, Any]:
        """The pod's specification of whatever was asked for, and its images."""
        spec = _specification(asked)
        if spec is None:
            return {}
        found = [each for kind in CONTAINERS for each in _listed(spec.get(kind))]
        images = [words(each.get("image")) for each in found]
        trusted = tuple(self.lists.get("trusted_images", ()))
        known = tuple(self.lists.get("known_images", ()))
        strangers = [each for each in found if not words(each.get("image")).startswith(trusted)]
        return {
            **spec,
            "images": images,
            "containers": strangers if trusted else found,
            "foreign": [i for i in images if i and not i.startswith((*MAKERS, *trusted))],
            "strange": [i for i in images if i and not i.startswith((*known, *trusted))],
        }

    def save(self) -> dict[str, Any]:
        """What the rules remember, and which sessions are open."""
        return {"rules": super().save(), "open": list(self._open)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave."""
        super().restore(state["rules"])
        self._open = dict.fromkeys(state["open"])

    def about(self, event: Record) -> tuple[dict[str, Any], dict[str, Any]]:
        """Who asked from where for what."""
        named = event.get("objectRef") or {}
        user = words(at(event, "user", "username"))
        verb = words(event.get("verb"))
        target = "/".join(
            part
            for key in ("namespace", "resource", "name", "subresource")
            if (part := words(at(named, key)))
        )
        details = {"ip": event["source"], "user": user, "target": target, "protocol": "TCP"}
        metadata = {
            "verb": verb,
            "uri": words(event.get("requestURI")),
            "code": at(event, "responseStatus", "code"),
            "decision": at(event, "annotations", "authorization.k8s.io/decision"),
            "namespace": words(at(named, "namespace")),
            "images": at(event, "pod", "images"),
            "groups": at(event, "user", "groups"),
            "impersonated": at(event, "impersonatedUser", "username"),
            "agent": words(event.get("userAgent")),
            "audit_id": words(event.get("auditID")),
            "role": at(event, "requestObject", "roleRef", "name"),
        }
        return details, metadata


def _actor(user: str, code: Any) -> str:
    """person, workload, machine or anonymous; "" unknown."""
    if user in ANONYMOUS or (not user and code == 401):
        return "anonymous"
    if user.startswith(WORKLOAD):
        return "machine" if user.startswith(OWN) else "workload"
    if user.startswith(MACHINES):
        return "machine"
    return "person" if user else ""


def _source(event: Record) -> str:
    """The address that the server saw: clients choose all of sourceIPs but the last."""
    seen = event.get("sourceIPs")
    last = values.address(seen[-1]) if isinstance(seen, list) and seen else None
    return last.decode() if last else ""


def _specification(asked: Any) -> dict[str, Any] | None:
    """A pod's specification, of a pod or of what makes pods."""
    spec = at(asked, "spec")
    for inner in (("jobTemplate", "spec", "template", "spec"), ("template", "spec")):
        found = at(spec, *inner)
        if isinstance(found, dict):
            return found
    if isinstance(spec, dict) and any(kind in spec for kind in CONTAINERS):
        return spec
    # Containers for a pod that runs come in this shape in old versions.
    if isinstance(asked, dict) and isinstance(asked.get("ephemeralContainers"), list):
        return asked
    return None


def _listed(found: Any) -> list[dict[str, Any]]:
    every = found[:MOST_CONTAINERS] if isinstance(found, list) else []
    return [each for each in every if isinstance(each, dict)]
