"""WhatsApp through Meta's Business Cloud API.

`payload.py` builds requests, `errors.py` knows Meta's codes, `connector.py` submits. `webhooks.py`
opens what Meta posts: `receipts.py` reads the statuses in it, `answers.py` what subscribers wrote,
both by `members.py`, which trusts no shape. Source throughout: Meta's Cloud API documentation, by
page name.
"""
