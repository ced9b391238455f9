"""What a cluster's add-ons would do, without their images: names for services, volumes for claims.

Started by `node`, which sets the environment, inside the node's namespaces. Three parts, all fed by watches:
names go into a hosts file that dnsmasq serves, claims of the class `standard` get a folder, released folders go away.
"""

import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import time

NODE_IP = os.environ["NODE_IP"]
NODE_NAME = os.environ["CLUSTER_NAME"]
DATA = pathlib.Path(os.environ["DATA"])
DOMAIN = os.environ["CLUSTER_DOMAIN"]
HOSTS = DATA / "config" / "hosts"
VOLUMES = DATA / "volumes"
PROVISIONER = "masthead.dev/local-folder"
CLASS = "standard"


class ApiError(Exception):
    """An answer other than 2xx."""


def connect(timeout):
    pki = DATA / "pki"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(str(pki / "admin.crt"), str(pki / "admin.key"))
    return http.client.HTTPSConnection(NODE_IP, 6443, timeout=timeout, context=context)


def request(connection, method, path, body=None):
    """Sends one request; the answer is left unread, so that watches can stream it."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    headers = {"Content-Type": kind, "User-Agent": "masthead-addons"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    if response.status >= 300:
        raise ApiError(f"{method} {path}: {response.status} {response.read(500)!r}")
    return response


def call(method, path, body=None):
    connection = connect(timeout=10)
    try:
        return json.load(request(connection, method, path, body))
    finally:
        connection.close()


class Mirror:
    """A live copy of all objects of one kind; `changed` is set after each change."""

    def __init__(self, path, changed):
        self.path = path
        self.changed = changed
        self.objects = {}
        self.synced = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.follow(self.read_all())
            except (ApiError, OSError, ValueError, http.client.HTTPException) as error:
                log(f"{self.path}: {error}")
                time.sleep(0.5)

    def read_all(self):
        listed = call("GET", self.path)
        self.objects = {item["metadata"]["uid"]: item for item in listed["items"]}
        self.synced = True
        self.changed.set()
        return listed["metadata"]["resourceVersion"]

    def follow(self, version):
        """Applies changes until the server ends the watch."""
        connection = connect(timeout=400)
        try:
            path = f"{self.path}?watch=1&timeoutSeconds=300&resourceVersion={version}"
            for line in request(connection, "GET", path):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                item = event["object"]
                # A new dict each time: the other threads may be walking through the old one.
                objects = {uid: o for uid, o in self.objects.items() if uid != item["metadata"]["uid"]}
                if event["type"] != "DELETED":
                    objects[item["metadata"]["uid"]] = item
                self.objects = objects
                self.changed.set()
        finally:
            connection.close()


def log(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def host_lines(services, endpoints):
    """`address name` for services with an address, for headless ones, and for pods with a host name in those."""
    lines = set()
    headless = set()
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        address = spec.get("clusterIP", "")
        if address == "None":
            headless.add((meta["namespace"], meta["name"]))
        elif address:
            lines.add(f"{address} {meta['name']}.{meta['namespace']}.svc.{DOMAIN}")
    for item in endpoints:
        meta = item["metadata"]
        if (meta["namespace"], meta["name"]) not in headless:
            continue
        name = f"{meta['name']}.{meta['namespace']}.svc.{DOMAIN}"
        for subset in item.get("subsets") or []:
            for address in subset.get("addresses") or []:
                lines.add(f"{address['ip']} {name}")
                if address.get("hostname"):
                    lines.add(f"{address['ip']} {address['hostname']}.{name}")
    return sorted(lines)


def start_dnsmasq():
    """All names unknown here get NXDOMAIN at once: there is nobody else to ask."""
    HOSTS.touch()
    flags = [
        "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root",
        f"--listen-address={NODE_IP}", "--bind-interfaces", "--no-resolv", "--no-hosts",
        f"--local=/{DOMAIN}/", "--local=/#/", f"--addn-hosts={HOSTS}", "--cache-size=0",
    ]
    return subprocess.Popen(["dnsmasq", *flags])


def attempt(action, *args):
    """A failed step (the mirror may lag behind our own last write) is tried again at the next look.

    Whatever is odd about one object must not stop the others, so this catches everything.
    """
    try:
        action(*args)
    except Exception as error:
        log(f"{action.__name__}: {error!r}")


def serve_names(dnsmasq, services, endpoints):
    if not (services.synced and endpoints.synced):
        return
    text = "".join(f"{line}\n" for line in host_lines(services.objects.values(), endpoints.objects.values()))
    if text == HOSTS.read_text():
        return
    fresh = HOSTS.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(HOSTS)
    dnsmasq.send_signal(1)  # SIGHUP: read the file again


def quantity(text):
    """Bytes from a Kubernetes quantity, as far as sizes of volumes go."""
    for power, unit in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi"], 1):
        if text.endswith(unit):
            return float(text[:-2]) * 1024**power
    for power, unit in enumerate("kMGTP", 1):
        if text.endswith(unit):
            return float(text[:-1]) * 1000**power
    return float(text)


def provision(claim):
    meta, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{meta['uid']}"
    folder = VOLUMES / name
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    # The type `local` and not hostPath: the kubelet applies a pod's fsGroup only to the former.
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": CLASS,
            "local": {"path": str(folder)},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]},
            ]}]}},
        },
    }
    call("POST", "/api/v1/persistentvolumes", volume)
    log(f"{meta['namespace']}/{meta['name']}: made {name}")


def expand(claim, volume):
    """A folder has no size: growing one is a matter of saying so, to the volume and then to the claim."""
    meta = claim["metadata"]
    wanted = claim["spec"]["resources"]["requests"]["storage"]
    if quantity(wanted) <= quantity(claim["status"]["capacity"]["storage"]):
        return
    size = {"capacity": {"storage": wanted}}
    call("PATCH", f"/api/v1/persistentvolumes/{volume['metadata']['name']}", {"spec": size})
    path = f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{meta['name']}/status"
    call("PATCH", path, {"status": size})
    log(f"{meta['namespace']}/{meta['name']}: now {wanted}")


def remove(volume):
    shutil.rmtree(volume["spec"]["local"]["path"], ignore_errors=True)
    call("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")
    log(f"removed {volume['metadata']['name']}")


def is_ours(volume):
    return (volume["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") == PROVISIONER


def serve_volumes(claims, volumes):
    if not (claims.synced and volumes.synced):
        return
    by_name = {volume["metadata"]["name"]: volume for volume in volumes.objects.values() if is_ours(volume)}
    for claim in claims.objects.values():
        volume = by_name.get(f"pvc-{claim['metadata']['uid']}")
        if claim["spec"].get("storageClassName") != CLASS or claim["metadata"].get("deletionTimestamp"):
            continue
        if volume is None:
            if not claim["spec"].get("volumeName"):
                attempt(provision, claim)
        elif claim.get("status", {}).get("phase") == "Bound":
            attempt(expand, claim, volume)
    for volume in by_name.values():
        if volume.get("status", {}).get("phase") == "Released" and not volume["metadata"].get("deletionTimestamp"):
            attempt(remove, volume)


def main():
    changed = threading.Event()
    services, endpoints, claims, volumes = (
        Mirror(f"/api/v1/{kind}", changed)
        for kind in ("services", "endpoints", "persistentvolumeclaims", "persistentvolumes")
    )
    dnsmasq = start_dnsmasq()
    while dnsmasq.poll() is None:
        # Looked at once a second even without a change: a refused write is tried again, an ended dnsmasq is noticed.
        changed.wait(timeout=1)
        changed.clear()
        serve_names(dnsmasq, services, endpoints)
        serve_volumes(claims, volumes)
    sys.exit(f"dnsmasq ended: {dnsmasq.returncode}")


if __name__ == "__main__":
    main()
