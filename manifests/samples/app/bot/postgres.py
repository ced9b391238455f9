"""As much of PostgreSQL's protocol 3.0 as the bot needs: a password by SCRAM-SHA-256, and statements
with parameters as text. A program with more than one statement takes psycopg.

https://www.postgresql.org/docs/current/protocol-message-formats.html, RFC 5802
"""

import base64
import hashlib
import hmac
import os
import secrets
import socket
import struct


class Refused(Exception):
    """The server said no."""


class Connection:
    """Where PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE say."""

    def __init__(self):
        address = os.environ["PGHOST"], int(os.environ.get("PGPORT", "5432"))
        self.socket = socket.create_connection(address, timeout=5)
        self.file = self.socket.makefile("rb")
        try:
            self.start(os.environ["PGUSER"], os.environ["PGPASSWORD"], os.environ["PGDATABASE"])
        except BaseException:
            self.close()
            raise

    def close(self):
        self.file.close()
        self.socket.close()

    def start(self, user, password, database):
        settings = ("user", user, "database", database, "application_name", "bot")
        body = struct.pack("!I", 3 << 16) + b"".join(text(it) for it in settings) + b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        kind, _ = self.receive_authentication()
        if kind != 10:
            raise Refused(f"the server wants authentication of kind {kind}, not SCRAM")
        self.prove(password)
        self.until_ready()

    def prove(self, password):
        bare = "n=,r=" + secrets.token_urlsafe(18)
        first = ("n,," + bare).encode()
        self.send(b"p", text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first)
        _, challenge = self.receive_authentication()
        asked = dict(part.split("=", 1) for part in challenge.decode().split(","))
        salt, rounds = base64.b64decode(asked["s"]), int(asked["i"])
        without_proof = f"c=biws,r={asked['r']}"
        signed = ",".join((bare, challenge.decode(), without_proof)).encode()
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
        key = digest(salted, b"Client Key")
        signature = digest(hashlib.sha256(key).digest(), signed)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.send(b"p", f"{without_proof},p={proof}".encode())
        _, final = self.receive_authentication()
        wanted = base64.b64encode(digest(digest(salted, b"Server Key"), signed))
        if not hmac.compare_digest(final, b"v=" + wanted):
            raise Refused("the server does not know the password itself")

    def run(self, statement, *parameters):
        """One statement, in a transaction of its own."""
        values = b"".join(struct.pack("!I", len(it.encode())) + it.encode() for it in parameters)
        self.send(b"P", b"\0" + text(statement) + struct.pack("!H", 0))
        self.send(b"B", b"\0\0" + struct.pack("!HH", 0, len(parameters)) + values + struct.pack("!H", 0))
        self.send(b"E", b"\0" + struct.pack("!I", 0))
        self.send(b"S", b"")
        self.until_ready()

    def until_ready(self):
        refused = None
        while True:
            kind, body = self.receive()
            if kind == b"E":
                refused = message(body)
            if kind == b"Z":
                break
        if refused:
            raise Refused(refused)

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def receive(self):
        head = self.file.read(5)
        if len(head) < 5:
            raise ConnectionError("the server closed the connection")
        kind, size = head[:1], struct.unpack("!I", head[1:])[0]
        return kind, self.file.read(size - 4)

    def receive_authentication(self):
        kind, body = self.receive()
        if kind == b"E":
            raise Refused(message(body))
        return struct.unpack("!I", body[:4])[0], body[4:]


def text(value):
    return value.encode() + b"\0"


def digest(key, value):
    return hmac.digest(key, value, "sha256")


def message(body):
    """The words of an error, which is a list of fields."""
    fields = {field[:1]: field[1:] for field in body.split(b"\0") if field}
    return fields.get(b"M", b"no reason given").decode(errors="replace")
