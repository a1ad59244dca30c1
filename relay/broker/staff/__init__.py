"""The operator's admin pages: accounts, plans, devices, limits and the audit log. Nothing secret exists to be shown."""
