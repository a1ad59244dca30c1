"""What a device that is signed in to a Lerix account holds: its keys, and what it does with them."""
