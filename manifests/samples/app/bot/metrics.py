"""Counters and histograms in Prometheus' text format."""

import bisect
import threading

METRICS = []
LOCK = threading.Lock()


def exposition():
    with LOCK:
        return "".join(line for metric in METRICS for line in metric.lines())


def labelled(name, names, values):
    pairs = ",".join(f'{label}="{value}"' for label, value in zip(names, values))
    return f"{name}{{{pairs}}}" if pairs else name


class Counter:
    """A sum for each combination of label values; they must be few and hold no quotes."""

    def __init__(self, name, text, *labels):
        self.name, self.text, self.labels = name, text, labels
        self.values = {} if labels else {(): 0}
        METRICS.append(self)

    def add(self, amount, *values):
        with LOCK:
            self.values[values] = self.values.get(values, 0) + amount

    def lines(self):
        yield f"# HELP {self.name} {self.text}\n# TYPE {self.name} counter\n"
        for values, amount in self.values.items():
            yield f"{labelled(self.name, self.labels, values)} {amount}\n"


class Histogram:
    BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def __init__(self, name, text):
        self.name, self.text = name, text
        self.counts = [0] * (len(self.BOUNDS) + 1)
        self.sum = 0.0
        METRICS.append(self)

    def observe(self, value):
        with LOCK:
            self.counts[bisect.bisect_left(self.BOUNDS, value)] += 1
            self.sum += value

    def lines(self):
        yield f"# HELP {self.name} {self.text}\n# TYPE {self.name} histogram\n"
        total = 0
        for bound, count in zip((*self.BOUNDS, "+Inf"), self.counts):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}\n'
        yield f"{self.name}_sum {self.sum}\n{self.name}_count {total}\n"
