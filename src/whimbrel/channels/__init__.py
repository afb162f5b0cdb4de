"""The ways to a subscriber. Each channel is a folder of its own and knows no other."""
