"""How the property tests run."""

from hypothesis import HealthCheck, settings

# A loaded machine is slow at times, and the first text drawn builds a table of all characters: neither
# says anything about the code, so times are not judged.
settings.register_profile("lerix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lerix")
