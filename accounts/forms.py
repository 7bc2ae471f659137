"""The forms of sign-in, in plain words. What they do is allauth's."""

from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from django import forms
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from .models import User

EMAIL_LENGTH = User._meta.get_field("email").max_length or 254


class _Plain(forms.Form):
    """Labels above the fields; no words inside of them, which vanish when one begins to type."""

    email_field = "email"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        email = self.fields.get(self.email_field)
        if isinstance(email, forms.EmailField):
            email.label = "E-mail"
            email.error_messages |= {
                "required": "Enter your e-mail.",
                "invalid": "This is not an e-mail address. It looks like name@school.example.",
            }
            email.validators.append(
                MaxLengthValidator(EMAIL_LENGTH, "This is longer than an e-mail address can be.")
            )
            email.widget.attrs |= {"autocomplete": "username", "maxlength": EMAIL_LENGTH}
            email.widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}


class SignInForm(_Plain, allauth_forms.LoginForm):
    """``held``: what was sent while nobody was signed in, as the page that said so holds it."""

    email_field = "login"
    held = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = ""
        self.fields["password"].error_messages["required"] = "Enter your password."
        if self.is_bound:
            # The e-mail stands, and the password is what is typed again.
            self.fields["password"].widget.attrs["autofocus"] = True
        elif not self.request.headers.get("HX-Request"):
            # In a page that is worked on nothing takes the focus away.
            self.fields["login"].widget.attrs["autofocus"] = True


class ForgottenPasswordForm(_Plain, allauth_forms.ResetPasswordForm):
    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        if self.users:
            return super().save(request, **kwargs)
        # allauth would offer to sign up, which nobody can. The mail is sent all the same: whoever
        # mistyped learns it, and both cases take the same time and show the same page.
        get_adapter().send_mail("account/email/unknown_account", email, {"request": request})
        return email


class _NewPassword(_Plain):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].label = "New password"
        self.fields["password2"].label = "The new password once more"


class NewPasswordForm(_NewPassword, allauth_forms.ResetPasswordKeyForm):
    pass


class ChangePasswordForm(_NewPassword, allauth_forms.ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = "Password until now"
        self.fields["oldpassword"].help_text = ""
