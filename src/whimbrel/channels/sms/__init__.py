"""SMS through an SMSC account, spoken to in SMPP 3.4.

The wire, from the bytes up: `pdu.py` is the codec, `submits.py` the submit window of one
connection, `deliveries.py` what the SMSC sends us, `connection.py` one TCP connection, `session.py`
a bind that is kept for ever. None of them knows what a text or a receipt says.

The meaning: `receipts.py` reads what an SMSC delivers, with `receipt_text.py` for the words of its
receipts, `message_states.py` for their states and `message_ids.py` for the spellings of its
numbers; `errors.py` knows its codes; `late_answers.py` what became of one attempt. `connector.py`
puts both together.

Source throughout: SMPP Protocol Specification v3.4, Issue 1.2, by section.
"""
