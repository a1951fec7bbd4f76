# poplib as a client: logs in, prints what STAT, LIST, UIDL and TOP say as JSON, and keeps each message as DIRECTORY/N.eml.
import argparse
import hashlib
import json
import os
import poplib
import ssl
import sys

# The default of 2048 octets a line is Python's own; RFC 5322 lines may be longer when they come as they were sent.
poplib._MAXLINE = 1 << 20

parser = argparse.ArgumentParser()
parser.add_argument('port', type=int)
parser.add_argument('user')
parser.add_argument('password')
parser.add_argument('--directory')
parser.add_argument('--apop', action='store_true')
parser.add_argument('--ca')
parser.add_argument('--delete', type=int, action='append', default=[])
parser.add_argument('--vanish', action='store_true', help='close the connection without QUIT')
given = parser.parse_args()

client = poplib.POP3('127.0.0.1', given.port, timeout=20)
if given.ca:
    client.stls(context=ssl.create_default_context(cafile=given.ca))
if given.apop:
    client.apop(given.user, given.password)
else:
    client.user(given.user)
    client.pass_(given.password)
count, size = client.stat()
facts = {
    'count': count,
    'size': size,
    'sizes': [int(line.split()[1]) for line in client.list()[1]],
    'uidl': [line.split()[1].decode() for line in client.uidl()[1]],
    'top': [b'\r\n'.join(client.top(n, 0)[1]).decode('latin1') for n in range(1, count + 1)],
}
if given.directory:
    os.makedirs(given.directory, exist_ok=True)
    for n in range(1, count + 1):
        lines = client.retr(n)[1]
        with open(os.path.join(given.directory, f'{n}.eml'), 'wb') as file:
            file.write(b''.join(line + b'\r\n' for line in lines))
for n in given.delete:
    client.dele(n)
if given.vanish:
    client.close()
else:
    client.quit()
json.dump(facts, sys.stdout)
