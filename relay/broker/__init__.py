"""The account broker: accounts whose keys it never sees, by the interface in `relay.api`.

A device sends what it has sealed and signed itself; the broker keeps it, checks its form and the log's signatures,
and hands it back. What a thief of its database gets: addresses, plans, devices' public keys, sizes and times.

The modules, from the bottom:

    house      what this process is: embedded or not, its default plan, how its mails go out
    models     the tables
    digests    what stands in the tables instead of keys, codes and tokens
    keycheck   whether the secret key is still the one those were made with
    refusals   an answer that is not 2xx, as an exception
    network    whose request it is; `limits` counts what networks and addresses try
    audit      what happened, for the operator
    post       mails, sent after the answer
    tokens     who may do what
    states     what is answered about accounts and plans
    updates    whether an update keeps the account's own rules
    tickets    codes by e-mail
    opening    prelogin, log-in, recovery
    accounts   creation, update, deletion
    devices    proofs of a device's key, names, sign-out
    purge      takes away what has ended
    desk       the few threads that the database work runs in
    flight     large answers on their way out, so that they do not fill the memory
    calls      from an HTTP request to one of these functions and back
    views, urls, pages, staff    Django's side: the interface's addresses, the front page, the admin

Nothing here keeps state in memory that another process would need, but for the mails that are on their way.
"""
