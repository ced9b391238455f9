"""A mail server for one user: smtp.py PORT PASSWORD [ADDRESS]. Each mail is a line of JSON on standard output.

It listens on loopback unless an address is given. Without a password anybody may send: Go's clients tell none to
another machine without TLS.
"""

import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP, AuthResult

PORT, PASSWORD = int(sys.argv[1]), sys.argv[2]
ADDRESS = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "text": parts.get("text/plain", ""),
            "html": parts.get("text/html", ""),
        }
        print(json.dumps(line), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"masthead", PASSWORD.encode())
    return AuthResult(success=right)


def server():
    if not PASSWORD:
        return SMTP(Mailbox())
    # Its prompts for LOGIN are not those that Go's clients know.
    without = ["LOGIN"]
    return SMTP(
        Mailbox(), authenticator=authenticate, auth_required=True, auth_require_tls=False, auth_exclude_mechanism=without
    )


async def main():
    listener = await asyncio.get_running_loop().create_server(server, ADDRESS, PORT)
    await listener.serve_forever()


asyncio.run(main())
