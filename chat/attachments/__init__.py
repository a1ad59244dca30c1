"""Files that go with messages: taken in, kept once, shown, and given to models."""
