"""Chaos on real processes: nodes, PostgreSQL, sandbox and receiver, and a hand that harms them.

    python -m tests.chaos --engine postgres --seed 7 --messages 50000 --seconds 600

A load goes on while nodes are killed and stopped, PostgreSQL restarts, connections are cut and
receivers fail (`harm`). Then everything is healed, and what the client was told (`load`), what
arrived in the sandbox, what the receiver got (`receiver`) and what the store holds must agree
(`audit`). The same seed gives the same plan of harm; how it meets the processes is theirs.
"""
