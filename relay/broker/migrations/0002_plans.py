from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

MIB, GIB = 2**20, 2**30

PLANS = [
    {"code": "free", "name": "Free", "position": 10, "quota": 10 * MIB, "devices": 3},
    {
        "code": "pro",
        "name": "Pro",
        "position": 20,
        "sync_chats": True,
        "sync_files": True,
        "sync_settings": True,
        "relay": True,
        "quota": 10 * GIB,
        "devices": 25,
    },
]


def add_plans(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    plan = apps.get_model("broker", "Plan")
    for facts in PLANS:
        plan.objects.get_or_create(code=facts["code"], defaults=facts)


class Migration(migrations.Migration):

    dependencies = [("broker", "0001_initial")]

    operations = [migrations.RunPython(add_plans, migrations.RunPython.noop)]
