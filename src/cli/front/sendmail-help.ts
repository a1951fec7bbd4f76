// What `ehlo sendmail --help` says.

export const sendmailHelp = `ehlo sendmail: take a message from a program, as /usr/sbin/sendmail does, and send it by the configured server

Examples:
  # recipients from the header
  printf 'To: you@example.org\\nSubject: hi\\n\\nhello\\n' | ehlo sendmail -t

  # as cron, PHP and git send-email call it
  ehlo sendmail -i -f me@example.com -- you@example.org < message

  # speak SMTP on standard input and output
  ehlo sendmail -bs

Usage: ehlo sendmail [options] [--] [recipient ...]

The route (server, login, TLS) comes from the configuration: server = "smtp://user@mail.example.com:587" and
password-command = "..." in ~/.config/ehlo/config.toml or /etc/ehlo/config.toml, or EHLO_SERVER.

Options:
  -t               recipients from To, Cc and Bcc too (Resent-* where they are); Bcc is always taken out
  -i, -oi          a line of a single dot does not end the message
  -f, -r <addr>    envelope sender; '' or '<>' is the null sender
  -F <name>        full name, where the message has no From
  -N <when>        delivery notifications: never, or a list of success, failure and delay
  -R <full|hdrs>   what a notification brings back
  -V <id>          envelope id that a notification repeats
  -B <type>        7BIT or 8BITMIME; 7BIT refuses a message that is not
  -G               somebody else's mail is passed on: nothing is added to the header
  -bm              deliver (the default)
  -bs              speak SMTP on standard input and output
  -bv              ask the server about each recipient, send nothing
  -bp, mailq       list the queue
  -q               try what is due in the queue
  -bi, newaliases  does nothing: there are no aliases
  -v               the conversation on standard error

Accepted without effect: -A -d -e -h -L -m -n -p -U -X, -o and -O with what has no meaning here.

Exit codes: 0 sent; 64 usage; 65 bad message or address; 67 no such user; 68 no such host; 69 refused, sent in part, or
perhaps sent: do not send it again; 75 try again later; 77 login or TLS; 78 configuration.
`;
