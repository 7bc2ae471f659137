"""Whether report cards carry a remark, may carry one, or must."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_report_cards")]

    operations = [
        migrations.AddField(
            model_name="school",
            name="cards_remarks",
            field=models.CharField(
                choices=[
                    ("none", "none are printed"),
                    ("optional", "printed where there is one"),
                    ("required", "a card is ready only with one"),
                ],
                default="optional",
                max_length=8,
                verbose_name="remarks on report cards",
            ),
        ),
        migrations.AddConstraint(
            model_name="school",
            constraint=models.CheckConstraint(
                condition=models.Q(("cards_remarks__in", ["none", "optional", "required"])),
                name="school_cards_remarks_known",
            ),
        ),
    ]
