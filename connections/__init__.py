"""What access to models there is: paths, their states, the model API. Imports no sibling package."""
