from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_substitute")]

    operations = [
        migrations.AddField(
            "school",
            "email",
            models.EmailField(blank=True, max_length=254, verbose_name="the school’s own e-mail"),
        ),
    ]
