# What Python's email package sees in a message on standard input, as JSON.
import email
import email.policy
import hashlib
import json
import sys

message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)


def facts(part):
    content = part.get_payload(decode=True) or b''
    return {
        'type': part.get_content_type(),
        'filename': part.get_filename(),
        'cid': part.get('Content-ID'),
        'size': len(content),
        'sha256': hashlib.sha256(content).hexdigest(),
    }


def text(kind):
    part = message.get_body((kind,))
    return None if part is None else part.get_content()


json.dump(
    {
        'subject': message['subject'],
        'from': [a.addr_spec for a in message['from'].addresses],
        'fromNames': [a.display_name for a in message['from'].addresses],
        'to': [a.addr_spec for a in message['to'].addresses] if message['to'] else [],
        'cc': [a.addr_spec for a in message['cc'].addresses] if message['cc'] else [],
        'bcc': message['bcc'],
        'messageId': message['message-id'],
        'plain': text('plain'),
        'html': text('html'),
        'parts': [facts(part) for part in message.walk() if not part.is_multipart()],
        'defects': [type(d).__name__ for part in message.walk() for d in part.defects],
    },
    sys.stdout,
)
