"""The Partners' API and the webhooks, over real HTTP."""
