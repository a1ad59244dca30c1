from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from chat.history import index


def build(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    index.build(schema_editor.connection)


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    index.drop(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ("chat", "0003_every_day"),
    ]

    operations = [
        migrations.AddField(
            model_name="folder",
            name="deleted",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(build, drop),
    ]
