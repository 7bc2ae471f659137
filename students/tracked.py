"""What the ledger tracks of a pupil."""

from changes import registry

from .models import Programme, Student

registry.track(
    Student,
    label="pupil",
    fields=[
        registry.key("number", "number"),
        registry.text("given_names", "given names", visible=True),
        registry.text("family_name", "family name", visible=True),
        registry.choice("pronouns", "pronouns", Student.Pronouns.values),
        registry.date("birth_date", "date of birth"),
        registry.email("email", "e-mail"),
        registry.email("guardian_email", "guardian’s e-mail"),
        registry.text("year_level", "year level", longest=40),
        registry.text("home_group", "home group", longest=40),
        registry.reference("programme", "programme", Programme, tracked=False),
        registry.key("source_id", "roster id", longest=255),
    ],
    natural_keys=[("number",), ("source_id",)],
    title="{family_name}, {given_names}",
    is_person=True,
)
