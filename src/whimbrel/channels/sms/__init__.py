"""SMS through SMSCs that speak SMPP 3.4.

`receipts.py` reads what an SMSC delivers, with `receipt_text.py` for the words of its receipts and
`message_ids.py` for the spellings of its numbers; `errors.py` knows its codes. Source throughout:
SMPP Protocol Specification v3.4, by section.
"""
