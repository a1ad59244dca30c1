"""Django's entry to the composition root."""

from django.apps import AppConfig


class LerixWebConfig(AppConfig):
    """The composition root: its template tags, commands and checks."""

    name = "lerix_web"
    verbose_name = "Lerix"

    def ready(self) -> None:
        """Register the system checks."""
        from lerix_web import checks  # noqa: F401 - checks register themselves when Django is ready
