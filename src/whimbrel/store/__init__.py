"""What is on disk: one statement text an operation, thin engines below.

`schema.py` says what is kept, `engine.py` how an operation meets an engine; every other file holds
the operations of one subject. Nothing here decides: the moves of a link are `domain/chain.py`'s.
"""
