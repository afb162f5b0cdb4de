"""The phones of the sandbox's subscribers: how each is set, and a page that shows its screen.

    phones   how each phone is set, and what was written on it
    news     who is to hear that something happened on a phone
    chat     what a phone's screen shows, gathered from the records of both channels
    hand     what a person can do with a phone: answer, read, switch it off, block
    api      the same as JSON, below `/sandbox/phones`
    pages    the same as pages, below `/handset`; `live` keeps them up to date

It asks the world and the SMSC for everything that happens, so that each tick on the screen is a
webhook or a receipt, and knows nothing of who takes these.
"""
