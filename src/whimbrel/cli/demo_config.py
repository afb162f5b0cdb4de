"""The settings that `whimbrel demo` leaves behind: the way to the real thing."""

DEMO_CONFIG = """\
# Settings of Whimbrel, written by `whimbrel demo`. With this file the parts run as processes of
# their own, each of which can be stopped without the other:
#
#     whimbrel serve   --config whimbrel.toml
#     whimbrel sandbox --config whimbrel.toml
#
# docs/settings.md lists every setting. WHIMBREL_<SECTION>_<NAME> in the environment wins over it.

[server]
host = "{host}"
port = {port}
# Behind a reverse proxy: believe X-Forwarded-For and Forwarded from these subnets only.
# trusted_proxies = ["10.0.0.0/8"]

[store]
path = "whimbrel.db"        # beside this file

[reports]
# The demo's receiver is on this machine. Without this list, reports go to public addresses only.
allowed_private_subnets = ["127.0.0.0/8", "::1/128"]

[log]
level = "warning"           # "info" also logs every refused request

# A sending number. For the real thing, put in the phone number id of your WhatsApp Business
# account, leave base_url and throughput out, and write each secret as "env:NAME" to take it from
# the environment. Meta's callback URL is https://<your host>/hooks/whatsapp/demo.
[whatsapp.demo]
sender = "WHIMBREL"
phone_number_id = "100000000000001"
base_url = "http://127.0.0.1:{sandbox_port}"
token = "{token}"
app_secret = "{app_secret}"
verify_token = "{verify_token}"
throughput = {throughput}   # messages a second; Meta grants 80, and 0 is no limit

# An account at an SMSC, spoken to in SMPP 3.4. For the real thing, put in what your SMS provider
# gave you, write the password as "env:NAME", and leave throughput at what the contract says.
[smpp.demo]
senders = ["WHIMBREL", "SMSDEMO"]
host = "127.0.0.1"
port = {smsc_port}
system_id = "whimbrel"
password = "{smpp_password}"
throughput = {throughput}   # parts a second; 0 is no limit

# The stand-in for Meta's Cloud API, and for the SMSC.
[sandbox]
host = "{host}"
port = {sandbox_port}
smsc_port = {smsc_port}
speed = {speed}             # how many times faster than life its delays pass
throughput = {throughput}
"""
