# smtplib as a client: sends standard input to b@x.test (or --to), and prints what the server refused as JSON.
import argparse
import json
import smtplib
import ssl
import sys

parser = argparse.ArgumentParser()
parser.add_argument('port', type=int)
parser.add_argument('--sender', default='a@x.test')
parser.add_argument('--to', action='append')
parser.add_argument('--ca')
parser.add_argument('--login', help='MECHANISM:user:password')
parser.add_argument('--option', action='append', default=[], help='a parameter of MAIL')
parser.add_argument('--repeat', type=int, default=1, help='so many messages in one session')
given = parser.parse_args()

message = sys.stdin.buffer.read()
with smtplib.SMTP('127.0.0.1', given.port, local_hostname='python.test', timeout=20) as client:
    client.ehlo()
    if given.ca:
        client.starttls(context=ssl.create_default_context(cafile=given.ca))
        client.ehlo()
    if given.login:
        mechanism, client.user, client.password = given.login.split(':', 2)
        step = getattr(client, 'auth_' + mechanism.lower().replace('-', '_'))
        client.auth(mechanism, step)
    refused = {}
    for _ in range(given.repeat):
        refused = client.sendmail(given.sender, given.to or ['b@x.test'], message, given.option)
    json.dump({address: reply[0] for address, reply in refused.items()}, sys.stdout)
