from django.db import migrations, models

import chat.database


class Migration(migrations.Migration):
    # The tables stay as they are: only what makes new ids is another.

    dependencies = [
        ("chat", "0005_queue"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name=name,
                    name="id",
                    field=models.UUIDField(
                        default=chat.database.new_id, editable=False, primary_key=True, serialize=False
                    ),
                )
                for name in ("chat", "draft", "attachment")
            ]
        ),
    ]
