# An aiosmtpd server that answers each stage as it is told: `--reply mail='451 4.7.1 later'`, `--slow dot=3` seconds. It prints the
# envelope of what it took, one JSON line a message.
import argparse
import asyncio
import json

from aiosmtpd.smtp import SMTP

parser = argparse.ArgumentParser()
parser.add_argument('port', type=int)
parser.add_argument('--reply', action='append', default=[])
parser.add_argument('--slow', action='append', default=[])
given = parser.parse_args()
replies = dict(one.split('=', 1) for one in given.reply)
slow = {stage: float(seconds) for stage, seconds in (one.split('=', 1) for one in given.slow)}


async def answer(stage, otherwise):
    await asyncio.sleep(slow.get(stage, 0))
    return replies.get(stage, otherwise)


class Stages:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        special = await answer('ehlo', None)
        return responses if special is None else [special]

    async def handle_HELO(self, server, session, envelope, hostname):
        session.host_name = hostname
        return await answer('helo', '250 aiosmtpd.test')

    async def handle_MAIL(self, server, session, envelope, address, options):
        reply = await answer('mail', '250 2.1.0 OK')
        if reply.startswith('2'):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = await answer('rcpt:' + address, await answer('rcpt', '250 2.1.5 OK'))
        if reply.startswith('2'):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        reply = await answer('dot', '250 2.0.0 OK')
        if reply.startswith('2'):
            text = envelope.original_content.decode('latin-1')
            print(json.dumps({'to': envelope.rcpt_tos, 'text': text}), flush=True)
        return reply

    async def handle_QUIT(self, server, session, envelope):
        return await answer('quit', '221 2.0.0 bye')


async def main():
    loop = asyncio.get_running_loop()
    stages = Stages()
    server = await loop.create_server(
        lambda: SMTP(stages, loop=loop, hostname='aiosmtpd.test', enable_SMTPUTF8=True), '127.0.0.1', given.port
    )
    await server.serve_forever()


asyncio.run(main())
