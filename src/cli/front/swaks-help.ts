// What `ehlo swaks --help` says.

export const swaksHelp = `ehlo swaks: the options, the transcript and the exit codes of swaks (20201014), on the engine of ehlo

Examples:
  # a test message by the MX hosts of the domain, all of them in turn
  ehlo swaks --to you@example.org

  # submission: STARTTLS, a login (the password is asked for), our own subject
  ehlo swaks --to you@example.org --server mail.example.org:587 -tls -a -au me --h-Subject 'a test'

  # is the recipient taken? Nothing is sent
  ehlo swaks --to you@example.org --server mail.example.org --quit-after RCPT

Usage: ehlo swaks [options]      names may be shortened; one dash or two; --no-NAME forgets an option

Transport:   -s, --server HOST[:PORT]   -p, --port   --socket PATH   --pipe COMMAND   --copy-routing DOMAIN
             -li, --local-interface ADDRESS   -4 -6
Protocol:    -t, --to A[,B]   -f, --from A|<>   -h, --helo NAME   --protocol ESMTP|SMTP|SSMTP|LMTP...   --timeout 30s
             -q, --quit-after   -da, --drop-after   -das, --drop-after-send STAGE   --pipeline   --prdr   --force-getpwuid
TLS:         -tls   -tlso   -tlsos   -tlsc   --tls-verify   --tls-ca-path FILE   --tls-cert FILE --tls-key FILE
             --tls-protocol LIST   --tls-cipher LIST   --tls-sni NAME   --tls-get-peer-cert [FILE]
Login:       -a, --auth [MECH,...]   -ao   -aos   -au, --auth-user   -ap, --auth-password   -apt   -ahp [TEXT]
XCLIENT:     --xclient-addr|name|port|proto|destaddr|destport|helo|login|reverse-name VALUE   --xclient 'NAME=value ...'
             --xclient-no-verify
PROXY:       --proxy-version 1|2   --proxy-family   --proxy-source[-port]   --proxy-dest[-port]   --proxy 'TCP4 ...'
Message:     -d, --data TEXT|@FILE|-   --body TEXT|@FILE|-   --header 'Name: value'   --h-NAME value   -ah, --add-header
             --attach TEXT|@FILE|-   --attach-body   --attach-type   --attach-name   -ndf   -nsf   --dump-as-body
Output:      -n, --suppress-data   -stl [i]   -raw   -hr -hs -hi -ha   -nih -nsh -nrh -nth   -S, --silent 1|2|3
             --output-file FILE   --dump [SECTION,...]   --dump-mail   --support
Options also come from SWAKS_OPT_NAME, $SWAKS_HOME/.swaksrc, $HOME/.swaksrc or --config FILE.

Otherwise than swaks, on purpose:
  - all MX hosts are tried; a failing name server is not "no MX"; without MX records the domain's own address is used
  - one refused recipient of several is exit code 24 (or 26 after the message), not 0
  - TLS has a time limit; what is sent in the clear behind STARTTLS is refused; --tls-verify checks the name too
  - \\n stands for a line end only in arguments: a file or standard input goes out with its own bytes
  - passwords are never shown, in no form (-apt shows the server's questions only); control characters are made visible
  - a question without an answer ends the run (exit 1)

Exit codes: 0 sent; 1 options; 2 connect; 6 closed by the other side; 10 no such mechanism; 21 greeting; 22 HELO; 23 MAIL;
24 RCPT; 25 DATA; 26 the message; 28 login; 29 TLS; 30 no PRDR; 32 EHLO after TLS; 33 XCLIENT; 34 EHLO after XCLIENT; 35 PROXY
`;
