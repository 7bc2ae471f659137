"""Signing in, and going on with what was typed before."""

from allauth.account.views import LoginView
from django.http import HttpResponse

from . import held
from .forms import SignInForm
from .in_school import SCHOOL_IN_SESSION, memberships_of


class SignIn(LoginView):
    """allauth's view; who signs in on the page of a form that they sent signed out is shown what
    was typed there, in the school of that form."""

    form_class = SignInForm

    def form_valid(self, form: SignInForm) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        sent = held.opened(form.cleaned_data["held"])
        if sent is None or not self.request.user.is_authenticated:
            return response
        path, fields = sent
        school = dict(fields).get("school")
        if school in {str(each.school_id) for each in memberships_of(self.request)}:
            self.request.session[SCHOOL_IN_SESSION] = school
        return held.send_again_page(self.request, path, fields)
