"""The journey of a message, in the order in which it is travelled.

1. `reception` leads each request in: `gatekeeper` admits its Partner, `checks` turns it into a
   chain, with long URLs taken out as `shortening` says. `accept` stores the chain and answers
   `mtNum`; `preview` stores nothing and tells what would become of it, as `outlook` foresees.
2. `dispatch` claims links that are due, lets their connector submit them and records the outcome;
   `outcomes` says what an answer makes of its link; `sender_lines` how fast a sender may go.
3. `ingest` files the channel's receipts, which move the links.
4. `timers` ends lifetimes and settles submits that had no answer; `cascade` lets the next link go
   where time or a blocked sender, and no event, decides it.
5. `report` tells the Partner every state, in order, until it is acknowledged;
   `receivers` keeps a slow or dead one from harming the others, `report_body` is what they read.
6. `short_domains` knows whose short URL a visitor asks for, `short_urls` where it leads, and
   removes it in the end; `address_pace` slows strangers down; `clicks` writes what was visited.
7. `retention` removes what is older than its Partner wants it to be.

`membership` is this process's place among others on the store, `holdings` the senders that it sends
through, `until_written` how it writes what has happened already. `partner_directory` is what all of
them know of Partners, `numbering_directory` of the subscribers' numbers, `partner_pace` how fast
each Partner may knock. No stage calls another: each leaves its work in the store and wakes whoever
is next.
"""
