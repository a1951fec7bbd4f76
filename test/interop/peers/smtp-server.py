# An aiosmtpd server that keeps each message as received (N.eml) and its envelope (N.json) in a directory.
import argparse
import asyncio
import json
import os
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument('port', type=int)
parser.add_argument('directory')
parser.add_argument('--cert')
parser.add_argument('--key')
parser.add_argument('--implicit', action='store_true')
parser.add_argument('--require-tls', action='store_true')
parser.add_argument('--account', help='user:password; then a login is required')
parser.add_argument('--smtputf8', action='store_true')
given = parser.parse_args()


class Keeper:
    def __init__(self):
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('no-one'):
            return '550 5.1.1 no such mailbox'
        envelope.rcpt_tos.append(address)
        return '250 2.1.5 OK'

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        base = os.path.join(given.directory, str(self.count))
        with open(base + '.eml', 'wb') as file:
            file.write(envelope.original_content)
        facts = {
            'from': envelope.mail_from,
            'to': envelope.rcpt_tos,
            'mailOptions': envelope.mail_options,
            'smtputf8': envelope.smtp_utf8,
            'tls': session.ssl is not None or given.implicit,
            'user': session.auth_data,
        }
        with open(base + '.json', 'w') as file:
            json.dump(facts, file)
        return f'250 2.0.0 queued as {self.count}'


def authenticate(server, session, envelope, mechanism, data):
    user, password = given.account.split(':', 1)
    right = data.login.decode() == user and data.password.decode() == password
    # The session keeps auth_data: the test reads who logged in.
    return AuthResult(success=right, handled=False, auth_data=f'{mechanism} {user}')


# The default is 1001; what is tested is whether our bytes arrive.
SMTP.line_length_limit = 1 << 20
tls = None
if given.cert:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(given.cert, given.key)
options = {'hostname': 'aiosmtpd.test', 'enable_SMTPUTF8': given.smtputf8, 'data_size_limit': 1 << 28}
if tls and not given.implicit:
    options.update(tls_context=tls, require_starttls=given.require_tls)
if given.account:
    options.update(authenticator=authenticate, auth_required=True, auth_require_tls=tls is not None and not given.implicit)
keeper = Keeper()


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(keeper, loop=loop, **options), '127.0.0.1', given.port, ssl=tls if given.implicit else None
    )
    await server.serve_forever()


asyncio.run(main())
