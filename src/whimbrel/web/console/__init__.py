"""The console: what operators see of the gateway, and what they may change.

One module a page, with its template of the same name in `web/pages/templates/console/`. `guard.py`
stands before all of them: no page asks for itself who is there.
"""
