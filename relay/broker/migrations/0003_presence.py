from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("broker", "0002_plans")]

    operations = [
        migrations.AddField("device", "presence", models.CharField(blank=True, default="", max_length=12)),
        migrations.AddField("device", "presence_since", models.DateTimeField(null=True)),
    ]
