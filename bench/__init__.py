"""Benchmarks: how fast messages are accepted, and how fast they travel. See README.md.

The commands; the first seven start every process that they need:

- `accept`, `journey`: how fast messages are accepted, and how fast they travel.
- `waiting`: what a million messages cost that wait for their hours.
- `retention`: how fast old messages are removed, and what accepting notices of it.
- `redirect`: how fast a short URL leads on, and what shortening costs an accept.
- `smpp_wire`: how fast submits go over one SMPP bind; `smsc`: how fast the sandbox's SMSC is.
- `numbering`: imports the numbering registry and asks it, in its own process.
- `shorten`: searches texts for URLs, hostile ones included.
- `segments`: counts and cuts the parts of SMS, in its own process.

What they are made of:

- `gateway`: a gateway with an empty store, its Partner and its settings.
- `bare`: the server that accepting is compared with.
- `rounds`: what `accept` and `redirect` have in common: one server after another, under one load.
- `load`: sends requests and measures the answers.
- `follow`: follows short URLs.
- `travel`: sends requests, takes their reports and measures whole journeys.
- `wire`: as much HTTP as `load` and `travel` need.
- `processes`: starts, places, reads and ends processes.
- `profiled`: runs the gateway under a profiler.
"""
