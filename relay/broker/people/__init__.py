"""The broker's pages for people with a browser: sign in, create an account, recover one, devices.

The pages are the same for everybody and know of no account: what is typed stays in the browser, whose modules in
static/lerix/people speak to the interface below `relay.api.PREFIX` as any other device does.
"""
