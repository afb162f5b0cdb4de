"""PostgreSQL as the store.

`store` runs operations in groups, each in a transaction; `steps` runs one operation's steps on a
connection; `marks` finds out what became of a COMMIT without an answer; `faults` says what errors
mean to a store, `refusals` what they mean to an operator; `server` is what the server must be like
and what a session is set to; `connecting` is for those who look at tables without a store, and
`condition` for an operator's check.
"""
