# What dkimpy says of each signature of the message on standard input. The key records come as JSON: {"name.": "v=DKIM1; ..."}.
import json
import sys

import dkim

records = {name.encode(): text.encode() for name, text in json.loads(sys.argv[1]).items()}
message = sys.stdin.buffer.read()


def lookup(name, timeout=5):
    return records.get(name)


verifier = dkim.DKIM(message)
count = sum(name.lower() == b'dkim-signature' for name, _ in verifier.headers)
results = []
for index in range(count):
    try:
        results.append(dkim.DKIM(message).verify(idx=index, dnsfunc=lookup))
    except dkim.DKIMException as error:
        results.append(str(error))
json.dump(results, sys.stdout)
