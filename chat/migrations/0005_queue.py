from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("chat", "0004_search"),
    ]

    operations = [
        migrations.AddField(
            model_name="queued",
            name="held",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="queued",
            name="removed",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="queued",
            name="sender",
            field=models.JSONField(null=True),
        ),
    ]
