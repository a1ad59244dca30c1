"""The relay's protocol without any input or output: bytes in, events out; no Django, no event loop, no clock.

noise     the handshake and the encryption of what follows it
frames    what is inside an encrypted message
session   streams of requests and answers that survive any number of links
link      what a device and the broker say to each other around it
"""
