"""WhatsApp through Meta's Business Cloud API.

`payload.py` builds requests, `errors.py` knows Meta's codes, `connector.py` submits, `receipts.py`
reads webhooks. Source throughout: Meta's Cloud API documentation, by page name.
"""
