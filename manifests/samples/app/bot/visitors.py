"""Visitors of a sample that nobody visits: each looks at the page and writes to the bot."""

import http.client
import json
import random
import ssl
import time
import urllib.parse

NAMES = ("ann", "ben", "eve", "kim", "lea", "max", "pia", "tom")
TEXTS = ("hello", "price of a cup", "order a cup", "order two cups", "is anybody there?")


def come(address, pause, log):
    """A visit to `address` every `pause` seconds or so, for ever."""
    # Traefik's certificate is its own until it has a real one.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = urllib.parse.urlsplit(address).netloc
    trouble = False
    while True:
        time.sleep(random.uniform(0.5, 1.5) * pause)
        try:
            visit(host, context)
            trouble = False
        except (OSError, http.client.HTTPException) as error:
            if not trouble:
                log("warning", "a visit fails", error=str(error))
            trouble = True


def visit(host, context):
    connection = http.client.HTTPSConnection(host, timeout=5, context=context)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
        said = {"visitor": random.choice(NAMES), "text": random.choice(TEXTS)}
        connection.request("POST", "/messages", json.dumps(said), {"Content-Type": "application/json"})
        connection.getresponse().read()
    finally:
        connection.close()
