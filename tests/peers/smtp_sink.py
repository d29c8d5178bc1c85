"""An SMTP server for tests: real aiosmtpd, on a free port of the loopback.

Prints its port on the first line, then one JSON object a line for each message it took. Ends when stdin closes.

Usage: smtp_sink.py MODE [CERT KEY]
  plain      takes all
  auth       STARTTLS required, user "bank" with password "pass word" required; needs CERT and KEY
  tls        TLS from the first byte; needs CERT and KEY
  hangup     closes the connection after every message
  farewell   answers 421 to the second mail of a connection
  refuse     answers 550 to RCPT
  busy       answers 451 to RCPT
  silent     accepts connections and never answers
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Taker:
    def __init__(self, mode):
        self.mode = mode
        self.mails = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.mails += 1
        if self.mode == "farewell" and self.mails > 1:
            return "421 4.3.2 closing"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode == "refuse":
            return "550 5.1.1 no such user"
        if self.mode == "busy":
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [part for part in message.walk() if not part.is_multipart()]
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "login": bool(session.authenticated),
            "peer": session.peer[1],
            "type": message.get_content_type(),
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "parts": {part.get_content_type(): part.get_content() for part in parts},
        }), flush=True)
        if self.mode == "hangup":
            asyncio.get_running_loop().call_later(0.001, server.transport.close)
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"bank", b"pass word")
    return AuthResult(success=good, handled=False)


async def main():
    mode = sys.argv[1]
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
    loop = asyncio.get_running_loop()

    def session():
        if mode == "silent":
            return asyncio.Protocol()
        auth = mode == "auth"
        return SMTP(
            Taker(mode), loop=loop, hostname="sink.test",
            tls_context=context if auth else None, require_starttls=auth,
            authenticator=login if auth else None, auth_required=auth,
        )

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
