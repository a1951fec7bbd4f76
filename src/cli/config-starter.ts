// The file that `ehlo config init` writes: everything in it is a comment, so that it changes nothing by being there.

export const starterConfig = `# ehlo configuration (TOML). Keys are the long options of any command, without the dashes:
#   --tls required        tls = "required"
#   --cc a@x --cc b@y     cc = ["a@x", "b@y"]
#   --dry-run             dry-run = true
#   --no-pipelining       pipelining = false
# Stronger than this file: --config FILE, EHLO_* in the environment (EHLO_SERVER ...), and flags.
# "ehlo config show" says what is in force and where it stands; "ehlo config check" lists what is wrong.

# What stands here, or in [profile.default], applies by itself.
# server = "smtp://mail.example.com:587"
# user = "me@example.com"
# password-command = "pass show mail/me@example.com"
# from = "Me <me@example.com>"

# A profile is chosen with -P work (or EHLO_PROFILE=work), and lies over what stands above. A login is only ever used
# for the server that it stands beside, so a profile with another server needs its own.
# [profile.work]
# server = "smtps://smtp.work.example"
# user = "me"
# password-file = "~/.config/ehlo/work-password"
# from = "me@work.example"

# For one command alone; serve has its own --tls and --auth, which are set only here.
# [serve]
# smtp = "2525"
`;
