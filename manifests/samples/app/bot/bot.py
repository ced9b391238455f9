"""The sample's bot: answers messages, writes each down in PostgreSQL, and tells its metrics.

    POST /messages {"visitor": "ann", "text": "order two cups"}
    GET  /healthz, /metrics

Its log lines are JSON, one object each.
"""

import http.server
import json
import os
import signal
import sys
import threading
import time

import metrics
import postgres
import visitors

ANSWERS = {
    "hello": ("answered", "Hello! Write `order` and what you would like."),
    "order": ("ordered", "It is on its way."),
    "price": ("answered", "Everything is free of charge today."),
}
UNKNOWN = ("not_understood", "I know hello, order and price.")
MOST_BYTES = 4096

REQUESTS = metrics.Counter("http_requests_total", "Requests.", "method", "code")
SECONDS = metrics.Histogram("http_request_duration_seconds", "How long requests take.")
MESSAGES = metrics.Counter("bot_messages_total", "Messages by what became of them.", "outcome")
DATABASE = metrics.Counter("bot_database_errors_total", "Messages that could not be written down.")


def log(level, message, **more):
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": level, "message": message}
    print(json.dumps(line | more), flush=True)


class Store:
    """The table of messages, by one connection that is made again after an error."""

    def __init__(self):
        self.lock = threading.Lock()
        self.connection = None

    def add(self, visitor, outcome):
        self.run("insert into messages (visitor, outcome) values ($1, $2)", visitor, outcome)

    def await_database(self):
        while True:
            try:
                return self.run("select 1 from messages limit 0")
            except (OSError, postgres.Refused) as error:
                log("info", "waiting for the database", error=str(error))
                time.sleep(1)

    def run(self, statement, *parameters):
        with self.lock:
            try:
                self.connection = self.connection or postgres.Connection()
                self.connection.run(statement, *parameters)
            except (OSError, postgres.Refused):
                if self.connection:
                    self.connection.close()
                self.connection = None
                raise


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A client that says nothing more does not keep its thread for ever.
    timeout = 60
    store = Store()

    def do_GET(self):
        if self.path == "/metrics":
            self.answer(200, metrics.exposition(), "text/plain; version=0.0.4")
        elif self.path == "/healthz":
            self.answer(200, "ok\n", "text/plain")
        else:
            self.answer(404, "not found\n", "text/plain")

    def do_POST(self):
        started = time.monotonic()
        code, body = self.message() if self.path == "/messages" else (404, {"error": "not found"})
        self.answer(code, json.dumps(body) + "\n", "application/json")
        SECONDS.observe(time.monotonic() - started)
        REQUESTS.add(1, "POST", code)

    def message(self):
        try:
            size = int(self.headers.get("Content-Length", ""))
            if not 0 < size <= MOST_BYTES:
                raise ValueError(f"at most {MOST_BYTES} bytes")
            asked = json.loads(self.rfile.read(size))
            visitor, text = str(asked["visitor"])[:64], str(asked["text"])
        except (ValueError, KeyError, TypeError) as error:
            # What was not read would be taken for the next request.
            self.close_connection = True
            return 400, {"error": f"visitor and text, as JSON: {error}"}
        outcome, answer = ANSWERS.get(text.partition(" ")[0].lower(), UNKNOWN)
        try:
            self.store.add(visitor, outcome)
        except (OSError, postgres.Refused) as error:
            MESSAGES.add(1, "failed")
            DATABASE.add(1)
            log("error", "the message is not written down", visitor=visitor, error=str(error))
            return 503, {"error": "try again later"}
        MESSAGES.add(1, outcome)
        log("info", "message", visitor=visitor, outcome=outcome)
        return 200, {"answer": answer}

    def answer(self, code, text, kind):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """What matters is logged above; probes and scrapes are not."""


def visit():
    """Visitors, if the sample is to have some, once there is something to visit."""
    per_minute = float(os.environ.get("VISITS_PER_MINUTE", "0"))
    if per_minute > 0:
        Handler.store.await_database()
        visitors.come(os.environ["VISIT"], 60 / per_minute, log)


def main():
    # From the first scrape on, so that a rate sees the first of each.
    for outcome in ("answered", "ordered", "not_understood", "failed"):
        MESSAGES.add(0, outcome)
    # The first process of a container ends by no signal that it does not ask for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=visit, daemon=True).start()
    server = http.server.ThreadingHTTPServer(("", 8000), Handler)
    server.daemon_threads = True
    log("info", "listening", port=8000)
    server.serve_forever()


main()
