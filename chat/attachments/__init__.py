"""Files that go with messages: taken in, kept once, shown, and given to models.

    kinds       what a file is, by its content
    child       has images and PDFs read by programs of their own (`reading`)
    taking      what is uploaded, to an attachment of no message yet
    store       the bytes: on the disk under their digest, or in memory for temporary chats
    attaching   which files belong to which message
    turns       what a model is given of them, and what it cannot take
"""
