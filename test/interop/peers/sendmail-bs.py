# Speaks SMTP to `sendmail -bs` over pipes, as mail programs do: one message, one that is refused, one more.
import json
import subprocess
import sys

child = subprocess.Popen([sys.argv[1], '-bs'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def reply():
    while True:
        line = child.stdout.readline().decode()
        if line[3:4] != '-':
            return int(line[:3])


def say(line):
    child.stdin.write(line.encode() + b'\r\n')
    child.stdin.flush()
    return reply()


def send(to, subject):
    assert say('MAIL FROM:<me@x.test>') == 250
    assert say(f'RCPT TO:<{to}>') == 250
    assert say('DATA') == 354
    return say(f'From: me@x.test\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nhello\r\n..dot\r\n.')


assert reply() == 220
assert say('EHLO [127.0.0.1]') == 250
facts = {
    'first': send('bob@x.test', 'first'),
    'refused': send('bob@elsewhere.test', 'refused'),
    'second': send('ann@x.test', 'second'),
}
assert say('QUIT') == 221
child.stdin.close()
facts['exit'] = child.wait()
print(json.dumps(facts))
