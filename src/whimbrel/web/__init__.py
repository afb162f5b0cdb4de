"""What is served over HTTP: the Partners' API, the channels' webhooks, health and metrics.

Translates between the wire and the flow, and decides nothing. camelCase lives here.
"""
