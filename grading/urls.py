"""The pages of marks."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
