"""What the benchmarks share: the cluster of KUBECONFIG and the operator's own metrics."""

import base64
import json
import ssl
import subprocess
import tempfile
import urllib.request


class Api:
    """The API server, with the certificate of KUBECONFIG."""

    def __init__(self):
        view = ["kubectl", "config", "view", "--raw", "--minify", "-o", "json"]
        config = json.loads(subprocess.check_output(view))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = cluster["server"]
        authority = self.material(cluster, "certificate-authority")
        self.context = ssl.create_default_context(cafile=authority)
        self.context.load_cert_chain(
            self.material(user, "client-certificate"), self.material(user, "client-key")
        )

    @staticmethod
    def material(holder, name):
        if name in holder:
            return holder[name]
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(base64.b64decode(holder[name + "-data"]))
        return file.name

    def call(self, method, path, body=None, kind="application/json"):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, context=self.context, timeout=120) as answer:
            text = answer.read()
        return text.decode() if answer.headers.get_content_type() == "text/plain" else json.loads(text)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def operator_metrics(api):
    """The operator's own metrics by name, histogram buckets by their bound."""
    path = "/api/v1/namespaces/masthead-system/services/masthead-metrics:admin/proxy/metrics"
    metrics = {}
    for line in api.call("GET", path).splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            metrics[name] = float(value)
    return metrics


def say(name, value):
    """One line for a figure."""
    print(f"{name:<62} {value}", flush=True)
